-- Hands an item back to the feed: open again, its fence and (by its caller) its job gone, the cursor at the lowest such
-- index. For a batch that is paused or over its budget.
--   keys   fence live states claimed tenants tenant_batches events
--   args   process attempt index batch tenant over_budget_nano now_ms
--   gives  'back' | 'in_turn' | 'lost'      in_turn: whatever was in its way is gone already, so a feed is to be asked for
if attempt ~= '' and not holds(fence, process, attempt) then return 'lost' end
if redis.call('EXISTS', live) == 0 then return 'back' end
if attempt ~= '' then
  release(live, fence)
  local url = redis.call('HGET', fence, 'url')
  if url then redis.call('HSET', fence, 'process', '', 'attempt', '')
  else
    redis.call('DEL', fence)
    redis.call('SREM', claimed, index)
  end
end

-- Told once for each word that was said of the batch: not again whenever a call comes to nothing and another may go.
local function stop_at_budget(live_key, events_key, batch_id, price_nano, at_ms)
  if redis.call('HSETNX', live_key, 'over_budget', price_nano) == 0 then return end
  local fields = redis.call('HMGET', live_key, 'control_version', 'round', 'budget_told')
  redis.call('HSET', live_key, 'over_budget_at_ms', at_ms, 'budget_told', fields[1])
  if fields[3] == fields[1] then return end
  local sequence = redis.call('HINCRBY', live_key, 'sequence', 1)
  append_event(events_key, 'budget.threshold_reached', batch_id, fields[2], sequence, at_ms, fields[1])
end

local state = state_of(states, index)
if state ~= OPEN and state < SUCCEEDED then
  move(live, states, index, state, OPEN)
  local cursor = tonumber(redis.call('HGET', live, 'cursor'))
  if tonumber(index) < cursor then redis.call('HSET', live, 'cursor', index) end
end
if over_budget_nano ~= '' then
  stop_at_budget(live, events, batch, over_budget_nano, now_ms)
  take_out_of_turn(tenants, tenant_batches, tenant, batch)
end
put_in_turn(live, tenants, tenant_batches, tenant, batch)
return may_feed(live) and 'in_turn' or 'back'
