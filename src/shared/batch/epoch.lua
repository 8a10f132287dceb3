-- Library: is this the Redis that was held against the ledger, and may anybody claim on it yet?
--   gives nil, or the answer that the script returns at once.
local function not_now(epoch_key, run_id)
  local epoch = redis.call('HMGET', epoch_key, 'run_id', 'quiet_until_ms')
  if epoch[1] ~= run_id then return { 'recovering', '0' } end
  local now = redis_now_ms()
  local quiet_until = tonumber(epoch[2] or '0')
  if now < quiet_until then return { 'quiet', tostring(quiet_until - now) } end
  return nil
end
