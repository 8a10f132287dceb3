-- Finds the next open items of a batch, from its cursor on. Moves nothing: the jobs are added first.
--   keys   epoch live states tenants tenant_batches
--   args   run_id batch tenant count
--   gives  { 'items', index, ... } | { 'empty' } | { 'recovering' | 'quiet', wait_ms }
local wait = not_now(epoch, run_id)
if wait then return wait end
local fields = redis.call('HMGET', live, 'open', 'cursor', 'total', 'status')
if not fields[1] or tonumber(fields[1]) == 0 or fields[4] ~= 'in_progress' then
  -- Nothing left to feed: out of the turn. Whoever opens an item again puts the batch back.
  redis.call('LREM', tenant_batches, 0, batch)
  if redis.call('LLEN', tenant_batches) == 0 then redis.call('LREM', tenants, 0, tenant) end
  return { 'empty' }
end
local found = { 'items' }
local index, total, wanted = tonumber(fields[2]), tonumber(fields[3]), tonumber(count)
-- A look at most at a chunk's worth of states a turn keeps the script short.
local last = math.min(total, index + 500)
while index < last and #found <= wanted do
  if state_of(states, index) == OPEN then found[#found + 1] = tostring(index) end
  index = index + 1
end
-- Only states that are not open lie before `index` when nothing was found: the cursor may pass them.
if #found == 1 then redis.call('HSET', live, 'cursor', index < total and index or 0) end
return found
