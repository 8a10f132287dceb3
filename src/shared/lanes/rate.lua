-- Library: the calls a minute that are allowed now. A 429 halves them; they come back by a hundredth a second.
local function redis_now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function limit_now(rate_key, ceiling, default_limit, now_us)
  local fields = redis.call('HMGET', rate_key, 'learned', 'slowed_us', 'slowed_to')
  local limit = tonumber(fields[1] or '0')
  if limit <= 0 then limit = ceiling > 0 and ceiling or default_limit end
  if ceiling > 0 and limit > ceiling then limit = ceiling end
  if fields[2] then
    local share = tonumber(fields[3]) + (now_us - tonumber(fields[2])) / 100000000
    if share < 1 then limit = limit * share end
  end
  return limit
end
