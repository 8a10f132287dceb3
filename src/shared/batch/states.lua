-- Library: item states and the counts that always add up. In front of every script that moves an item.
local OPEN, FED, IN_PROGRESS, SUCCEEDED, REUSED, FAILED, CANCELLED, EXPIRED = 0, 1, 2, 3, 4, 5, 6, 7
local STATE_NAMES = {
  [0] = 'open', 'fed', 'in_progress', 'succeeded', 'reused', 'failed', 'cancelled', 'expired',
}

local function state_of(states_key, index)
  return redis.call('BITFIELD', states_key, 'GET', 'u4', '#' .. index)[1]
end

-- Moves an item and its counts in one step.
local function move(live_key, states_key, index, from, to)
  if from == to then return end
  redis.call('BITFIELD', states_key, 'SET', 'u4', '#' .. index, to)
  redis.call('HINCRBY', live_key, STATE_NAMES[from], -1)
  redis.call('HINCRBY', live_key, STATE_NAMES[to], 1)
end

-- Nothing is waiting and nothing is under way.
local function nothing_open(live_key)
  local counts = redis.call('HMGET', live_key, 'open', 'fed', 'in_progress')
  return tonumber(counts[1]) + tonumber(counts[2]) + tonumber(counts[3]) == 0
end

local function redis_now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
