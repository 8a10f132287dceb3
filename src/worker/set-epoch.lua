-- Says that this run of Redis was held against the ledger, and until when the living may speak first.
--   keys   epoch
--   args   run_id quiet_ms
--   gives  'set'
redis.call('HSET', epoch, 'run_id', run_id, 'quiet_until_ms', redis_now_ms() + tonumber(quiet_ms))
return 'set'
