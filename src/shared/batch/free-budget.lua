-- A batch that stopped at its budget goes on where there is room again: a call that was reserved came to nothing.
--   keys   live tenants tenant_batches
--   args   batch tenant
--   gives  1 where it goes on
if not redis.call('HGET', live, 'over_budget') or not has_room(live) then return 0 end
redis.call('HDEL', live, 'over_budget', 'over_budget_at_ms')
put_in_turn(live, tenants, tenant_batches, tenant, batch)
return 1
