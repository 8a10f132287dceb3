-- An attempt takes an output key for itself, free of charge. Who takes over a dead attempt's fence books what that
-- one was calling as spent and of unknown outcome: a look that finds the object corrects it.
--   keys   epoch fence beats live states tries claimed
--   args   run_id process attempt batch index round dead_attempt
--   gives  { 'claimed', calls, unknown, bad, cost_nano, suspected, url, closing }
--        | { 'held', process, attempt }             somebody else's, or an attempt of this process that may still run
--        | { 'foreign', batch, index }              a dead attempt for another batch's item, or an answer for it that is
--                                                 paid and to be fetched: free it first, then claim
--        | { 'paused' }                             paused or over its budget: hand it back; a dead attempt's fence stays
--        | { 'no_batch' } | { 'settled' } | { 'recovering' | 'quiet', wait_ms }
local wait = not_now(epoch, run_id)
if wait then return wait end
local options = redis.call('HMGET', live, 'round', 'paused_at_ms', 'closing', 'over_budget')
if not options[1] then return { 'no_batch' } end
local held = redis.call('HMGET', fence, 'process', 'attempt', 'batch', 'index', 'calling', 'reserved_nano', 'url')
local function is_dead() return holder_is_dead(beats, held[1], held[2], process, dead_attempt) end
if options[1] ~= round or state_of(states, index) >= SUCCEEDED then
  -- Another one's success came first, and this attempt died in its call: that was spent all the same.
  if held[5] == '1' and held[3] == batch and held[4] == index and options[1] == round and is_dead() then
    release(live, fence)
    book(live, read_tries(tries, index), 1, 1, 0, tonumber(held[6]))
    redis.call('DEL', fence)
    redis.call('SREM', claimed, index)
  end
  return { 'settled' }
end
-- A batch that closes is claimed too: what was paid for is to be found. So is an answer that is paid and not fetched.
if not options[3] and not (held[7] and held[3] == batch and held[4] == index) then
  if options[2] then return { 'paused' } end
  -- It would only wait for a slot and be refused. What a dead attempt was calling is booked first.
  if options[4] and not held[1] then return { 'paused' } end
end
local t = read_tries(tries, index)
local url = ''
if held[1] then
  local same_item = held[3] == batch and held[4] == index
  if not (held[1] == process and held[2] == attempt) then
    if held[1] ~= '' and not is_dead() then return { 'held', held[1], held[2] } end
    if not same_item then return { 'foreign', held[3], held[4] } end
    if held[5] == '1' then
      release(live, fence)
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
redis.call('SADD', claimed, index)
return {
  'claimed', tostring(t.calls), tostring(t.unknown), tostring(t.bad), string.format('%.0f', t.cost),
  tostring(t.suspected), url, options[3] or '',
}
