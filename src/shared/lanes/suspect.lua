-- A 403 that says nothing of content: the key may be refused, or this one item. A second item confirms the one, a good
-- answer for another item the other.
--   keys   lane_key events
--   args   lane item detail
--   gives  'first'     this item is the suspect now
--        | 'same'      it was already, and nobody else has been answered since
--        | 'closed'    a second item was refused too, or the lane is closed anyway: nothing is held against this one
if redis.call('HGET', lane_key, 'state') == 'closed' then return 'closed' end
local suspect = redis.call('HGET', lane_key, 'suspect')
if not suspect then
  redis.call('HSET', lane_key, 'suspect', item)
  return 'first'
end
if suspect == item then return 'same' end
close_lane(lane_key, events, lane, 'provider_auth', detail)
return 'closed'
