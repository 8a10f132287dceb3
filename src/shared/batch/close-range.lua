-- Closes the waiting items of a cancelled or expired batch, a range at a time. What an attempt has claimed is left to
-- that attempt: it may have been paid for.
--   keys   epoch live states claimed settled
--   args   run_id from count chunk_size
--   gives  { 'next', index } | { 'through' } | { 'recovering' | 'quiet', wait_ms }
local wait = not_now(epoch, run_id)
if wait then return wait end
local fields = redis.call('HMGET', live, 'closing', 'total', 'status')
if not fields[1] or fields[3] ~= 'in_progress' then return { 'through' } end
local to = fields[1] == 'cancelled' and CANCELLED or EXPIRED
local total = tonumber(fields[2])
local index = tonumber(from)
local last = math.min(total, index + tonumber(count))
local packed = redis.call('GETRANGE', states, math.floor(index / 2), math.floor((last - 1) / 2))
local first_byte = math.floor(index / 2)
local by_chunk = {}
while index < last do
  local byte = string.byte(packed, math.floor(index / 2) - first_byte + 1) or 0
  local state = index % 2 == 0 and math.floor(byte / 16) or byte % 16
  if state <= FED and redis.call('SISMEMBER', claimed, index) == 0 then
    move(live, states, index, state, to)
    local chunk = math.floor(index / tonumber(chunk_size))
    by_chunk[chunk] = (by_chunk[chunk] or 0) + 1
  end
  index = index + 1
end
for chunk, count_in_it in pairs(by_chunk) do redis.call('HINCRBY', settled, chunk, count_in_it) end
if index < total then return { 'next', tostring(index) } end
return { 'through' }
