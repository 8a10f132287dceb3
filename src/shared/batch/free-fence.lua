-- Frees the fence of a dead attempt for an item of another batch than the one that wants the key, and books on that
-- item what the attempt was calling. The answer's URL goes with it: it belongs to that item alone.
--   keys   fence beats live states tries
--   args   process attempt index dead_attempt
--   gives  'freed' | 'held'
local held = redis.call('HMGET', fence, 'process', 'attempt', 'index', 'calling', 'reserved_nano')
if not held[1] then return 'freed' end
if held[3] ~= index then return 'held' end
if held[1] ~= '' then
  local lease_ends = tonumber(redis.call('ZSCORE', beats, held[1]) or '0')
  if lease_ends >= redis_now_ms() and not (held[1] == process and held[2] == dead_attempt) then return 'held' end
end
if held[4] == '1' and redis.call('EXISTS', live) == 1 then
  local state = state_of(states, index)
  if state < SUCCEEDED then
    local t = read_tries(tries, index)
    book(live, t, 1, 1, 0, tonumber(held[5]))
    write_tries(tries, index, t)
    if state == IN_PROGRESS then move(live, states, index, IN_PROGRESS, FED) end
  end
end
redis.call('DEL', fence)
return 'freed'
