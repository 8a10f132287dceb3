-- Gives an item its one outcome of the round. State, counts, usage and line: all or nothing. A success may be
-- settled by any attempt, since its bytes are stored; anything else only by the fence's holder, but for what was wrong at
-- intake and never claimed.
--   keys   fence live states tries log claimed settled unsealed outcomes unwritten waiting events
--   args   batch process attempt index chunk chunk_total round state unclaimed calls unknown bad cost_nano own_object
--          cost_nano_min priced line log_entry now_ms
--   gives  { 'settled', chunk_full, batch_done, ready, told } | { 'already' } | { 'stale' } | { 'no_batch' }
local batch_round = redis.call('HGET', live, 'round')
if not batch_round then return { 'no_batch' } end
if batch_round ~= round then return { 'stale' } end
local ours = holds(fence, process, attempt)
local from = state_of(states, index)
local to = tonumber(state)
if from < SUCCEEDED and to >= FAILED and not ours and unclaimed ~= '1' then return { 'stale' } end

local t = read_tries(tries, index)
if ours then
  -- Counted where another attempt was quicker, too; once, since the fence goes with it.
  release(live, fence)
  book(live, t, tonumber(calls), tonumber(unknown), tonumber(bad), tonumber(cost_nano))
  redis.call('DEL', fence)
  redis.call('SREM', claimed, index)
end
redis.call('HDEL', tries, index)
add_to_log(log, index, log_entry)
local told = redis.call('HGET', log, index) or ''
redis.call('HDEL', log, index)
if from >= SUCCEEDED then return { 'already' } end
if own_object == '1' then
  -- The image is there and this item made it. Where no answer that was booked explains it, or an attempt brings it whose
  -- fence was taken over, a call that was booked as unknown has made it, and is known now.
  if t.unknown > 0 and (not ours or t.answered <= t.bad) then
    t.unknown = t.unknown - 1
    redis.call('HINCRBY', live, 'indeterminate', -1)
  end
  -- After a loss of Redis the object itself knows what was paid for it.
  local missing = tonumber(cost_nano_min) - t.cost
  book(live, t, t.calls == 0 and 1 or 0, 0, 0, missing > 0 and missing or 0)
end
if to == SUCCEEDED then redis.call('HINCRBY', live, 'images', 1) end
move(live, states, index, from, to)

local cost = priced == '1' and string.format('%.0f', t.cost) or '-'
local outcome = round .. ' ' .. t.calls .. ' ' .. cost .. ' [' .. told .. '] ' .. line
redis.call('HSET', outcomes, index, outcome)
redis.call('ZADD', unsealed, 'NX', now_ms, chunk)
redis.call('INCRBY', unwritten, #outcome)
local chunk_full = redis.call('HINCRBY', settled, chunk, 1) == tonumber(chunk_total) and 1 or 0
local told_of = 0
if redis.call('HGET', live, 'item_events') == '1' and to <= FAILED then
  local sequence = redis.call('HINCRBY', live, 'sequence', 1)
  append_event(events, to == FAILED and 'item.failed' or 'item.succeeded', batch, round, sequence, now_ms, '', index)
  told_of = 1
end
local batch_done = 0
if nothing_open(live) then
  batch_done = 1
  redis.call('HSET', live, 'status', 'finalizing', 'finalizing_at_ms', now_ms)
end
return { 'settled', tostring(chunk_full), tostring(batch_done), tostring(redis.call('LLEN', waiting)), tostring(told_of) }
