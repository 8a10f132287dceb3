-- An attempt takes an output key for itself, free of charge. Who takes over a dead attempt's fence books what that
-- one was calling as spent and of unknown outcome: a look that finds the object corrects it.
--   keys   epoch fence beats live states tries
--   args   run_id process attempt batch index round dead_attempt
--   gives  { 'claimed', calls, unknown, bad, cost_nano, suspected, url, state }
--        | { 'held', process, attempt }             somebody else's, or an attempt of this process that may still run
--        | { 'foreign', batch, index }              a dead attempt for another batch's item: free it first, then claim
--        | { 'no_batch' } | { 'settled' } | { 'recovering' | 'quiet', wait_ms }
local wait = not_now(epoch, run_id)
if wait then return wait end
local batch_round = redis.call('HGET', live, 'round')
if not batch_round then return { 'no_batch' } end
if batch_round ~= round or state_of(states, index) >= SUCCEEDED then return { 'settled' } end

local held = redis.call('HMGET', fence, 'process', 'attempt', 'batch', 'index', 'calling', 'reserved_nano', 'url')
local t = read_tries(tries, index)
local url = ''
if held[1] then
  local same_item = held[3] == batch and held[4] == index
  if held[1] ~= '' and not (held[1] == process and held[2] == attempt) then
    if not holder_is_dead(beats, held[1], held[2], process, dead_attempt) then
      return { 'held', held[1], held[2] }
    end
    if not same_item then return { 'foreign', held[3], held[4] } end
    if held[5] == '1' then
      book(live, t, 1, 1, 0, tonumber(held[6]))
      write_tries(tries, index, t)
    end
  end
  -- An answer that was paid for this item and is still to be fetched.
  if same_item and held[7] then url = held[7] end
end
local state = state_of(states, index)
if state == IN_PROGRESS then move(live, states, index, IN_PROGRESS, FED) end
redis.call('DEL', fence)
redis.call('HSET', fence, 'process', process, 'attempt', attempt, 'batch', batch, 'index', index, 'round', round)
if url ~= '' then redis.call('HSET', fence, 'url', url) end
redis.call('PEXPIRE', fence, FENCE_TTL_MS)
return {
  'claimed', tostring(t.calls), tostring(t.unknown), tostring(t.bad), string.format('%.0f', t.cost),
  tostring(t.suspected), url, tostring(state),
}
