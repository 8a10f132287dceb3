-- The leave to make one paid call: checked last, just before sending.
--   keys   epoch fence live states provider_lane storage_lane
--   args   run_id process attempt index round price_nano probe
--   gives  { 'granted' } | { 'lost' } | { 'no_batch' } | { 'settled' } | { 'closed' } | { 'paused' } | { 'closing' }
--        | { 'over_budget' } | { 'recovering' | 'quiet', wait_ms }
local wait = not_now(epoch, run_id)
if wait then return wait end
local batch = redis.call('HMGET', live, 'round', 'paused_at_ms', 'closing')
if not batch[1] then return { 'no_batch' } end
local state = state_of(states, index)
if batch[1] ~= round or state >= SUCCEEDED then return { 'settled' } end
if not holds(fence, process, attempt) then return { 'lost' } end
if batch[3] then return { 'closing' } end
if batch[2] then return { 'paused' } end
if redis.call('HGET', storage_lane, 'state') == 'closed' then return { 'closed' } end
if probe ~= '1' and redis.call('HGET', provider_lane, 'state') == 'closed' then return { 'closed' } end
-- Granted before and never sent: one reservation is enough.
release(live, fence)
if not reserve(live, fence, price_nano) then return { 'over_budget' } end
redis.call('PEXPIRE', fence, FENCE_TTL_MS)
move(live, states, index, state, IN_PROGRESS)
return { 'granted' }
