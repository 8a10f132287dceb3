-- Says that this run of Redis was held against the ledger, and until when the living may speak first. Not by a rebuild
-- that Redis has forgotten: then it has forgotten what that one brought back, too.
--   keys   epoch
--   args   run_id quiet_ms rebuild
--   gives  'set' | 'lost'
if redis.call('HEXISTS', epoch, rebuild) == 0 then return 'lost' end
local quiet_until = redis_now_ms() + tonumber(quiet_ms)
local before = redis.call('HMGET', epoch, 'run_id', 'quiet_until_ms')
-- Who comes second finds nothing lost any more: the quiet time that the first one asked for goes on.
if before[1] == run_id then quiet_until = math.max(quiet_until, tonumber(before[2])) end
redis.call('DEL', epoch)
redis.call('HSET', epoch, 'run_id', run_id, 'quiet_until_ms', quiet_until)
return 'set'
