-- Library: what happened to the calls of an item that is not settled: JSON objects, comma-separated, no blanks.
local LOG_MAX = 20

local function add_to_log(log_key, index, entry)
  if entry == '' then return end
  local text = redis.call('HGET', log_key, index)
  if text then
    local _, others = string.gsub(text, '},{', '')
    -- The oldest goes: how it ended matters more than how it began.
    if others + 2 > LOG_MAX then text = string.match(text, '^{[^}]*},(.*)$') end
    text = text .. ',' .. entry
  else text = entry end
  redis.call('HSET', log_key, index, text)
end
