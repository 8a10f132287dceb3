-- Library: what was called and spent for an item that is not settled yet:
-- `calls:unknown:bad:cost_nano:suspected:answered`.
local function read_tries(tries_key, index)
  local text = redis.call('HGET', tries_key, index)
  if not text then return { calls = 0, unknown = 0, bad = 0, cost = 0, suspected = 0, answered = 0 } end
  local calls, unknown, bad, cost, suspected, answered =
    string.match(text, '^(%d+):(%d+):(%d+):(%d+):(%d+):(%d+)$')
  return {
    calls = tonumber(calls), unknown = tonumber(unknown), bad = tonumber(bad),
    cost = tonumber(cost), suspected = tonumber(suspected), answered = tonumber(answered),
  }
end

local function write_tries(tries_key, index, t)
  redis.call('HSET', tries_key, index,
    string.format('%d:%d:%d:%.0f:%d:%d', t.calls, t.unknown, t.bad, t.cost, t.suspected, t.answered))
end

-- Books calls on an item and on its batch in the same step.
local function book(live_key, t, calls, unknown, bad, cost)
  t.calls = t.calls + calls
  t.unknown = t.unknown + unknown
  t.bad = t.bad + bad
  t.cost = t.cost + cost
  if calls ~= 0 then redis.call('HINCRBY', live_key, 'calls', calls) end
  if unknown ~= 0 then redis.call('HINCRBY', live_key, 'indeterminate', unknown) end
  if cost ~= 0 then redis.call('HINCRBY', live_key, 'cost_nano', string.format('%.0f', cost)) end
end
