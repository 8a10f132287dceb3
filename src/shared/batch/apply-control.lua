-- Applies what a person said of a batch: only ever a higher version. Events are in the same step, and so is taking the
-- batch off the list of those whose control is being written, unless somebody has written again since.
--   keys   live tenants tenant_batches events pending
--   args   batch tenant version text round paused_at_ms closing closing_at_ms budget_nano now_ms pending_since
--   gives  'applied' | 'already' | 'ended' | 'no_batch'      no_batch: Redis does not have it, or not in this round yet;
--          ended: also where its end is being written down
local fields = redis.call('HMGET', live, 'control_version', 'paused_at_ms', 'closing', 'status', 'round', 'ends_as')
if not fields[5] or tonumber(fields[5]) < tonumber(round) then return 'no_batch' end
if redis.call('ZSCORE', pending, batch) == pending_since then redis.call('ZREM', pending, batch) end
if tonumber(fields[1] or '0') >= tonumber(version) then return 'already' end
if fields[4] == 'ended' or fields[6] then return 'ended' end
if closing ~= '' and not fields[3] then redis.call('HSET', live, 'closing', closing, 'closing_at_ms', closing_at_ms) end
redis.call('HSET', live, 'control_version', version, 'control', text)
local function tell(type)
  local sequence = redis.call('HINCRBY', live, 'sequence', 1)
  append_event(events, type, batch, fields[5], sequence, now_ms, version)
end
if paused_at_ms == '' then
  redis.call('HDEL', live, 'paused_at_ms')
  if fields[2] then tell('batch.resumed') end
else
  redis.call('HSET', live, 'paused_at_ms', paused_at_ms)
  if not fields[2] then tell('batch.paused') end
end
if budget_nano == '' then redis.call('HDEL', live, 'budget_nano')
else redis.call('HSET', live, 'budget_nano', budget_nano) end
if has_room(live) then redis.call('HDEL', live, 'over_budget', 'over_budget_at_ms') end
if may_feed(live) then put_in_turn(live, tenants, tenant_batches, tenant, batch)
else take_out_of_turn(tenants, tenant_batches, tenant, batch) end
return 'applied'
