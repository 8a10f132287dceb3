-- Frees the fence of a dead attempt for an item of another batch than the one that wants the key, and books on that
-- item what the attempt was calling. An answer that is paid is fetched first: by the item that it is for, whose job
-- comes again.
--   keys   fence beats live states tries claimed
--   args   process batch index dead_attempt
--   gives  'freed' | 'held'
local held = redis.call('HMGET', fence, 'process', 'attempt', 'batch', 'index', 'calling', 'reserved_nano', 'round', 'url')
if not held[1] then return 'freed' end
-- Meanwhile somebody else may hold it: the next claim looks again.
if held[3] ~= batch or held[4] ~= index then return 'held' end
if held[1] ~= '' and not holder_is_dead(beats, held[1], held[2], process, dead_attempt) then return 'held' end
local batch_round = redis.call('HGET', live, 'round')
local state = state_of(states, index)
if held[5] == '1' and batch_round then
  local t = read_tries(tries, index)
  release(live, fence)
  book(live, t, 1, 1, 0, tonumber(held[6]))
  if state < SUCCEEDED then
    write_tries(tries, index, t)
    if state == IN_PROGRESS then move(live, states, index, IN_PROGRESS, FED) end
  end
end
if held[8] and batch_round == held[7] and (state == FED or state == IN_PROGRESS) then
  redis.call('HSET', fence, 'process', '', 'attempt', '')
  return 'held'
end
redis.call('DEL', fence)
redis.call('SREM', claimed, index)
return 'freed'
