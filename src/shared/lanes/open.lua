-- Opens a lane for everybody, with its one event.
--   keys   lane_key events
--   args   lane
--   gives  1 where this call opened it
return open_lane(lane_key, events, lane)
