-- Says that this run of Redis was held against the ledger, and until when the living may speak first.
--   keys   epoch
--   args   run_id quiet_ms
--   gives  'set'
local quiet_until = redis_now_ms() + tonumber(quiet_ms)
local before = redis.call('HMGET', epoch, 'run_id', 'quiet_until_ms')
-- Who comes second finds nothing lost any more: the quiet time that the first one asked for goes on.
if before[1] == run_id then quiet_until = math.max(quiet_until, tonumber(before[2])) end
redis.call('HSET', epoch, 'run_id', run_id, 'quiet_until_ms', quiet_until)
return 'set'
