-- Library: a batch's budget. Reserved when a call is granted, booked or released with what the call came to.
-- A reservation counts in the purse that it was taken from and in no other: a batch that came back from the ledger, or
-- stands in another round, has a new one.
local function new_purse()
  local time = redis.call('TIME')
  return time[1] .. '.' .. time[2]
end

local function reserve(live_key, fence_key, price_nano)
  local fields = redis.call('HMGET', live_key, 'budget_nano', 'cost_nano', 'reserved_nano', 'purse')
  if fields[1] then
    local spent = tonumber(fields[2]) + tonumber(fields[3] or '0')
    if spent + tonumber(price_nano) > tonumber(fields[1]) then return false end
  end
  redis.call('HINCRBY', live_key, 'reserved_nano', price_nano)
  redis.call('HSET', fence_key, 'calling', '1', 'reserved_nano', price_nano, 'purse', fields[4] or '')
  return true
end

-- A call that is under way and was forgotten together with its reservation: whatever the budget, it is under way.
local function reserve_again(live_key, fence_key, price_nano)
  redis.call('HSET', fence_key, 'calling', '1', 'reserved_nano', price_nano)
  local purse = redis.call('HGET', live_key, 'purse')
  if not purse then return end
  redis.call('HINCRBY', live_key, 'reserved_nano', price_nano)
  redis.call('HSET', fence_key, 'purse', purse)
end

-- Ends the reservation of a fence, if it has one.
local function release(live_key, fence_key)
  local fields = redis.call('HMGET', fence_key, 'calling', 'reserved_nano', 'purse')
  if fields[1] ~= '1' then return end
  redis.call('HDEL', fence_key, 'calling', 'reserved_nano', 'purse')
  -- HINCRBY takes no '-0', which is what an unknown price would make.
  local purse = redis.call('HGET', live_key, 'purse')
  if purse and purse == fields[3] and tonumber(fields[2]) > 0 then
    redis.call('HINCRBY', live_key, 'reserved_nano', '-' .. fields[2])
  end
end

-- Room for one more call of this price, as far as it is known now.
local function has_room(live_key)
  local fields = redis.call('HMGET', live_key, 'budget_nano', 'cost_nano', 'reserved_nano', 'over_budget')
  if not fields[1] then return true end
  local spent = tonumber(fields[2]) + tonumber(fields[3] or '0')
  return spent + tonumber(fields[4] or '0') <= tonumber(fields[1])
end
