-- The leave to make one paid call: checked last, just before sending (P3).
--   keys   epoch fence live states provider_lane storage_lane
--   args   run_id process attempt index round price_nano probe
--   gives  { 'granted' } | { 'lost' } | { 'no_batch' } | { 'settled' } | { 'closed' } | { 'recovering' | 'quiet', wait_ms }
local wait = not_now(epoch, run_id)
if wait then return wait end
local batch_round = redis.call('HGET', live, 'round')
if not batch_round then return { 'no_batch' } end
local state = state_of(states, index)
if batch_round ~= round or state >= SUCCEEDED then return { 'settled' } end
if not holds(fence, process, attempt) then return { 'lost' } end
if redis.call('HGET', storage_lane, 'state') == 'closed' then return { 'closed' } end
if probe ~= '1' and redis.call('HGET', provider_lane, 'state') == 'closed' then return { 'closed' } end
redis.call('HSET', fence, 'calling', '1', 'reserved_nano', price_nano)
redis.call('PEXPIRE', fence, FENCE_TTL_MS)
move(live, states, index, state, IN_PROGRESS)
return { 'granted' }
