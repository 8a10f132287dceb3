-- Books the call that was granted as answered and paid, and keeps the answer's URL where there is one: whoever takes
-- over goes straight to the bytes. Called twice it books once.
--   keys   fence live states tries log provider_lane events
--   args   process attempt index url log_entry
--   gives  'booked' | 'again' | 'lost'      lost: another attempt took the fence over and has booked the call
lane_succeeded(provider_lane, events, 'provider')
if not holds(fence, process, attempt) then return 'lost' end
local fields = redis.call('HMGET', fence, 'calling', 'reserved_nano')
if fields[1] ~= '1' then return 'again' end
release(live, fence)
if url ~= '' then redis.call('HSET', fence, 'url', url) end
redis.call('PEXPIRE', fence, FENCE_TTL_MS)
if redis.call('EXISTS', live) == 0 then return 'booked' end
local t = read_tries(tries, index)
book(live, t, 1, 0, 0, tonumber(fields[2]))
-- Another attempt has settled it meanwhile: the call is counted all the same, and nobody asks what was tried.
if state_of(states, index) >= SUCCEEDED then return 'booked' end
t.answered = t.answered + 1
write_tries(tries, index, t)
add_to_log(log, index, log_entry)
return 'booked'
