-- Brings a live batch forward to what the ledger has: Redis came back older than it was. Outcomes of this round settle
-- their items, without an event; calls and cost follow the written lines.
--   keys   live states tries log claimed settled
--   args   round now_ms renew; then index, chunk, state, calls, cost_nano, ...
--   gives  how many items were settled
local fields = redis.call('HMGET', live, 'round', 'status')
if fields[1] ~= round or fields[2] == 'ended' then return 0 end
-- Whose reservations were ended since, nobody knows any more.
if renew == '1' then redis.call('HSET', live, 'purse', new_purse(), 'reserved_nano', 0) end
local caught_up = 0
for at = rest_from, #ARGV, 5 do
  local index = tonumber(ARGV[at])
  local from = state_of(states, index)
  if from < SUCCEEDED then
    local to = tonumber(ARGV[at + 2])
    local t = read_tries(tries, index)
    book(live, t, tonumber(ARGV[at + 3]) - t.calls, 0, 0, tonumber(ARGV[at + 4]) - t.cost)
    move(live, states, index, from, to)
    if to == SUCCEEDED then redis.call('HINCRBY', live, 'images', 1) end
    redis.call('HDEL', tries, index)
    redis.call('HDEL', log, index)
    redis.call('SREM', claimed, index)
    redis.call('HINCRBY', settled, ARGV[at + 1], 1)
    caught_up = caught_up + 1
  end
end
if caught_up > 0 and redis.call('HGET', live, 'status') == 'in_progress' and nothing_open(live) then
  redis.call('HSET', live, 'status', 'finalizing', 'finalizing_at_ms', now_ms)
end
return caught_up
