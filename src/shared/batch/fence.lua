-- Library: the record of a claim on an output key. It outlives any call; the day is only for what nobody frees.
local FENCE_TTL_MS = 86400000

local function holds(fence_key, process, attempt)
  -- A fence that was put back with its URL names nobody, and neither does who settles without a claim.
  if process == '' then return false end
  local held = redis.call('HMGET', fence_key, 'process', 'attempt')
  return held[1] == process and held[2] == attempt
end
