-- Renews a process' lease and says what it can take; forgets processes that were gone for an hour.
--   keys   beats workers
--   args   process lease_ms places
--   gives  1 where the lease had run out or was not there: others may take this process for dead
local now = redis_now_ms()
local lease_ends = tonumber(redis.call('ZSCORE', beats, process) or '0')
redis.call('ZADD', beats, now + tonumber(lease_ms), process)
redis.call('HSET', workers, process, places)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', beats, '-inf', now - 3600000)) do
  redis.call('ZREM', beats, gone)
  redis.call('HDEL', workers, gone)
end
return lease_ends < now and 1 or 0
