-- Counts a transient failure; so many in a row over all workers mean that the provider is down.
--   keys   lane_key events
--   args   lane failures_max detail
--   gives  1 where this call closed the lane
local failures = redis.call('HINCRBY', lane_key, 'failures', 1)
if failures < tonumber(failures_max) then return 0 end
return close_lane(lane_key, events, lane, 'provider_down', detail)
