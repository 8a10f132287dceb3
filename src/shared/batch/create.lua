-- Brings a batch that the ledger has into Redis: at accept, or when Redis lost it.
--   keys   live states claimed settled batches tenants tenant_batches events
--   args   batch tenant states_text event_type now_ms fields_count; then field, value, ... of the live hash, then
--          chunk, items settled in it, ...
--   gives  'created' | 'exists';   emits the event named, if any, in the same step
if redis.call('EXISTS', live) == 1 then return 'exists' end
local chunks_from = rest_from + 2 * tonumber(fields_count)
for at = rest_from, chunks_from - 2, 2 do redis.call('HSET', live, ARGV[at], ARGV[at + 1]) end
for at = chunks_from, #ARGV, 2 do redis.call('HSET', settled, ARGV[at], ARGV[at + 1]) end
-- Allocated whole at once: growing it step by step costs more.
redis.call('SET', states, states_text)
redis.call('HSET', live, 'purse', new_purse())
-- Fences that were put back before their batch was.
redis.call('PERSIST', claimed)
redis.call('SADD', batches, batch)
put_in_turn(live, tenants, tenant_batches, tenant, batch)
if event_type ~= '' then
  local sequence = redis.call('HINCRBY', live, 'sequence', 1)
  append_event(events, event_type, batch, redis.call('HGET', live, 'round'), sequence, now_ms)
end
return 'created'
