-- Books slots of the provider's rate: GCRA on Redis' clock, so that all workers share one smooth stream of calls.
-- While a lane is closed it gives leave to try instead, to one caller at a time.
--   keys   rate provider_lane storage_lane
--   args   want ceiling default_limit share lookahead_ms
--   gives  { 'slots', count, wait_us, interval_us } | { 'later', wait_ms }
--        | { 'probe_provider' } | { 'probe_storage' } | { 'closed', lane, wait_ms }
if redis.call('HGET', storage_lane, 'state') == 'closed' then
  local wait = probe_wait_ms(storage_lane)
  if wait == 0 then return { 'probe_storage' } end
  return { 'closed', 'storage', tostring(wait) }
end
if redis.call('HGET', provider_lane, 'state') == 'closed' then
  local wait = probe_wait_ms(provider_lane)
  if wait == 0 then return { 'probe_provider' } end
  return { 'closed', 'provider', tostring(wait) }
end
local now = redis_now_us()
local interval = 60000000 / (limit_now(rate, tonumber(ceiling), tonumber(default_limit), now) * tonumber(share))
local next_free = math.max(tonumber(redis.call('HGET', rate, 'next_us') or '0'), now)
local wait = next_free - now
if wait > tonumber(lookahead_ms) * 1000 then return { 'later', tostring(math.ceil((wait - tonumber(lookahead_ms) * 1000) / 1000)) } end
-- More than one at a time only where they are so close together that asking for each would be the slower part.
local count = math.max(1, math.min(tonumber(want), math.floor(20000 / interval)))
redis.call('HSET', rate, 'next_us', string.format('%.0f', next_free + count * interval))
return { 'slots', tostring(count), string.format('%.0f', wait), string.format('%.0f', interval) }
