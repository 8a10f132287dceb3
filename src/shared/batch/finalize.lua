-- A batch in which nothing is open any more is finalizing.
--   keys   live
--   args   now_ms
--   gives  1 where it is finalizing now
if redis.call('HGET', live, 'status') ~= 'in_progress' or not nothing_open(live) then return 0 end
redis.call('HSET', live, 'status', 'finalizing', 'finalizing_at_ms', now_ms)
return 1
