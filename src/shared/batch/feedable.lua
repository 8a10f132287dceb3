-- Library: which batches are in the turn of the feed.
-- A batch that is paused, over its budget or closing feeds nothing; whatever changes that asks again.
local function may_feed(live_key)
  local fields = redis.call('HMGET', live_key, 'status', 'open', 'paused_at_ms', 'over_budget', 'closing')
  return fields[1] == 'in_progress' and tonumber(fields[2]) > 0
    and not fields[3] and not fields[4] and not fields[5]
end

local function put_in_turn(live_key, tenants_key, batches_key, tenant, batch)
  if not may_feed(live_key) then return end
  if not redis.call('LPOS', batches_key, batch) then redis.call('RPUSH', batches_key, batch) end
  if not redis.call('LPOS', tenants_key, tenant) then redis.call('RPUSH', tenants_key, tenant) end
end

local function take_out_of_turn(tenants_key, batches_key, tenant, batch)
  redis.call('LREM', batches_key, 0, batch)
  if redis.call('LLEN', batches_key) == 0 then redis.call('LREM', tenants_key, 0, tenant) end
end
