-- Finds the next open items of a batch, from its cursor on. Moves nothing: the jobs are added first.
--   keys   epoch live states tenants tenant_batches
--   args   run_id batch tenant count
--   gives  { 'items', index, ... } | { 'empty' } | { 'recovering' | 'quiet', wait_ms }
local wait = not_now(epoch, run_id)
if wait then return wait end
local fields = redis.call('HMGET', live, 'cursor', 'total')
if not fields[1] or not may_feed(live) then
  -- Nothing to feed: out of the turn. Whoever changes that puts the batch back.
  take_out_of_turn(tenants, tenant_batches, tenant, batch)
  return { 'empty' }
end
local found = { 'items' }
local index, total, wanted = tonumber(fields[1]), tonumber(fields[2]), tonumber(count)
-- A look at most at a chunk's worth of states a turn keeps the script short.
local last = math.min(total, index + 500)
while index < last and #found <= wanted do
  if state_of(states, index) == OPEN then found[#found + 1] = tostring(index) end
  index = index + 1
end
-- Only states that are not open lie before `index` when nothing was found: the cursor may pass them.
if #found == 1 then redis.call('HSET', live, 'cursor', index < total and index or 0) end
return found
