-- Moves the relay's cursor, if nobody else has moved it meanwhile.
--   keys   cursor
--   args   from to
--   gives  1 where it was moved
if (redis.call('GET', cursor) or '0-0') ~= from then return 0 end
redis.call('SET', cursor, to)
return 1
