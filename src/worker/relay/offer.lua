-- Opens a delivery to a batch's webhook, unless its receiver has enough to do: then the webhook falls behind, from this
-- event on, and goes on when there is room.
--   keys   open behind
--   args   batch delivery before open_max
--   gives  'open' | 'behind'
if redis.call('HEXISTS', behind, batch) == 1 then return 'behind' end
if redis.call('SCARD', open) >= tonumber(open_max) then
  redis.call('HSET', behind, batch, before)
  return 'behind'
end
redis.call('SADD', open, delivery)
return 'open'
