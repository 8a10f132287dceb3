-- Gives an item back without an outcome: books what its call came to, lets go of the fence, and counts the item as
-- queued again. A lost fence means that another attempt has booked already. Called twice it books once.
--   keys   fence live states tries log claimed
--   args   process attempt index calls unknown bad cost_nano suspected keep_url log_entry
--   gives  'back' | 'lost'
if not holds(fence, process, attempt) then return 'lost' end
release(live, fence)
local url = redis.call('HGET', fence, 'url')
if keep_url == '1' and url then
  -- It stays among the claimed: an answer that is paid is fetched, even where its batch is cancelled.
  redis.call('HSET', fence, 'process', '', 'attempt', '')
else
  redis.call('DEL', fence)
  redis.call('SREM', claimed, index)
end
if redis.call('EXISTS', live) == 0 then return 'back' end
local state = state_of(states, index)
local t = read_tries(tries, index)
book(live, t, tonumber(calls), tonumber(unknown), tonumber(bad), tonumber(cost_nano))
-- Another attempt has settled it meanwhile: what this one spent is counted all the same.
if state >= SUCCEEDED then return 'back' end
add_to_log(log, index, log_entry)
t.suspected = t.suspected + tonumber(suspected)
if t.calls + t.unknown + t.bad + t.cost + t.suspected > 0 then write_tries(tries, index, t) end
if state == IN_PROGRESS then move(live, states, index, IN_PROGRESS, FED) end
return 'back'
