-- Ends a batch's round and appends its event in the same step. What Redis holds of it expires soon after.
--   keys   live states tries log claimed settled unsealed batches undelivered events
--   args   batch round attempt event_type now_ms ttl_ms
--   gives  'ended' | 'already' | 'refused' | 'no_batch'
local fields = redis.call('HMGET', live, 'round', 'attempt', 'status')
if not fields[1] then return 'no_batch' end
if fields[1] ~= round or fields[2] ~= attempt then return 'refused' end
if fields[3] == 'ended' then return 'already' end
if fields[3] ~= 'finalizing' or not nothing_open(live) or redis.call('ZCARD', unsealed) > 0 then return 'refused' end
redis.call('HSET', live, 'status', 'ended', 'ended_at_ms', now_ms)
local sequence = redis.call('HINCRBY', live, 'sequence', 1)
append_event(events, event_type, batch, round, sequence, now_ms)
redis.call('SADD', undelivered, batch .. '.' .. round)
redis.call('SREM', batches, batch)
for _, key in ipairs({ live, states, tries, log, claimed, settled, unsealed }) do redis.call('PEXPIRE', key, ttl_ms) end
return 'ended'
