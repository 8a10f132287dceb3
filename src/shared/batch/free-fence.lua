-- Frees the fence of a dead attempt for an item of another batch than the one that wants the key, and books on that
-- item what the attempt was calling. The answer's URL goes with it: it belongs to that item alone.
--   keys   fence beats live states tries claimed
--   args   process batch index dead_attempt
--   gives  'freed' | 'held'
local held = redis.call('HMGET', fence, 'process', 'attempt', 'batch', 'index', 'calling', 'reserved_nano')
if not held[1] then return 'freed' end
-- Meanwhile somebody else may hold it, or nobody: the next claim looks again.
if held[1] == '' or held[3] ~= batch or held[4] ~= index then return 'held' end
if not holder_is_dead(beats, held[1], held[2], process, dead_attempt) then return 'held' end
if held[5] == '1' and redis.call('EXISTS', live) == 1 then
  local state = state_of(states, index)
  local t = read_tries(tries, index)
  release(live, fence)
  book(live, t, 1, 1, 0, tonumber(held[6]))
  if state < SUCCEEDED then
    write_tries(tries, index, t)
    if state == IN_PROGRESS then move(live, states, index, IN_PROGRESS, FED) end
  end
end
redis.call('DEL', fence)
redis.call('SREM', claimed, index)
return 'freed'
