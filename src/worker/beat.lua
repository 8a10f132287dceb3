-- Renews a process' lease and says what it can take; what the dead could take counts no more, and who was gone for an
-- hour is forgotten.
--   keys   beats workers
--   args   process lease_ms places
--   gives  1 where the lease had run out or was not there: others may take this process for dead
local now = redis_now_ms()
local lease_ends = tonumber(redis.call('ZSCORE', beats, process) or '0')
redis.call('ZADD', beats, now + tonumber(lease_ms), process)
redis.call('HSET', workers, process, places)
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', beats, '-inf', now)) do redis.call('HDEL', workers, dead) end
redis.call('ZREMRANGEBYSCORE', beats, '-inf', now - 3600000)
return lease_ends < now and 1 or 0
