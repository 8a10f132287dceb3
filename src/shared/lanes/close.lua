-- Closes a lane for everybody, with its one event.
--   keys   lane_key events
--   args   lane reason detail
--   gives  1 where this call closed it
return close_lane(lane_key, events, lane, reason, detail)
