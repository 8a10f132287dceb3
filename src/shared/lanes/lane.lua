-- Library: the way to an outside service, open or closed for everybody.
local PROBE_FIRST_MS, PROBE_MAX_MS = 1000, 30000

local function lane_event(events_key, type, lane, now_ms)
  redis.call('XADD', events_key, 'MAXLEN', '~', 100000, '*',
    'type', type, 'batch', '', 'round', '0', 'sequence', '0', 'at_ms', now_ms, 'lane', lane)
end

local function close_lane(lane_key, events_key, lane, reason, detail)
  if redis.call('HGET', lane_key, 'state') == 'closed' then return 0 end
  local now = redis_now_ms()
  redis.call('HSET', lane_key, 'state', 'closed', 'reason', reason, 'detail', detail, 'since_ms', now,
    'probe_delay_ms', PROBE_FIRST_MS, 'next_probe_ms', now + PROBE_FIRST_MS)
  lane_event(events_key, lane .. '.lane_closed', lane, now)
  return 1
end

local function open_lane(lane_key, events_key, lane)
  if redis.call('HGET', lane_key, 'state') ~= 'closed' then return 0 end
  local now = redis_now_ms()
  redis.call('DEL', lane_key)
  redis.call('HSET', lane_key, 'state', 'open', 'since_ms', now)
  lane_event(events_key, lane .. '.lane_opened', lane, now)
  return 1
end

-- A good answer: the row of failures is broken, a suspicion was wrong, a closed lane heals.
local function lane_succeeded(lane_key, events_key, lane)
  local fields = redis.call('HMGET', lane_key, 'state', 'failures', 'suspect')
  if fields[1] == 'closed' then open_lane(lane_key, events_key, lane)
  elseif fields[2] or fields[3] then redis.call('HDEL', lane_key, 'failures', 'suspect') end
end

-- While a lane is closed one try at a time goes through, first after a second, later every half minute.
--   gives 0 where this caller is the one to try now, else the milliseconds until the next try
local function probe_wait_ms(lane_key)
  local fields = redis.call('HMGET', lane_key, 'next_probe_ms', 'probe_delay_ms')
  local now, next_probe, delay = redis_now_ms(), tonumber(fields[1]), tonumber(fields[2])
  if now < next_probe then return next_probe - now end
  local longer = math.min(PROBE_MAX_MS, delay * 2)
  redis.call('HSET', lane_key, 'next_probe_ms', now + longer, 'probe_delay_ms', longer)
  return 0
end
