-- Takes over what the provider says of its limit, and what a 429 asks for.
--   keys   rate
--   args   learned hold_ms
--   gives  the calls a minute learned so far, '0' where unknown
if tonumber(learned) > 0 then redis.call('HSET', rate, 'learned', learned) end
if tonumber(hold_ms) > 0 then
  local now = redis_now_us()
  local next_us = tonumber(redis.call('HGET', rate, 'next_us') or '0')
  local until_us = now + tonumber(hold_ms) * 1000
  local held_until_us = tonumber(redis.call('HGET', rate, 'held_until_us') or '0')
  -- Many answers of 429 to one burst are one refusal: slow down once.
  if held_until_us < now then
    redis.call('HSET', rate, 'slowed_us', string.format('%.0f', now), 'slowed_to', '0.5')
  end
  redis.call('HSET', rate, 'held_until_us', string.format('%.0f', math.max(until_us, held_until_us)))
  if until_us > next_us then redis.call('HSET', rate, 'next_us', string.format('%.0f', until_us)) end
end
return redis.call('HGET', rate, 'learned') or '0'
