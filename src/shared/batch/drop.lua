-- Takes a batch of an earlier round out of Redis: the ledger has all that counts of it.
--   keys   live states tries log claimed settled unsealed batches tenants tenant_batches
--   args   batch tenant round
--   gives  1 where it was dropped
local stands = redis.call('HGET', live, 'round')
if not stands or tonumber(stands) >= tonumber(round) then return 0 end
redis.call('DEL', live, states, tries, log, claimed, settled, unsealed)
redis.call('SREM', batches, batch)
take_out_of_turn(tenants, tenant_batches, tenant, batch)
return 1
