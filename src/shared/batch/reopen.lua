-- Opens an item again whose line is missing in the written results: a hole is never announced as a whole.
--   keys   live states settled tenants tenant_batches
--   args   batch tenant round; then index, chunk, ...
--   gives  how many were opened
local fields = redis.call('HMGET', live, 'round', 'status')
-- What has ended was announced and expires: nobody would make its items.
if fields[1] ~= round or fields[2] == 'ended' then return 0 end
local opened = 0
for at = rest_from, #ARGV, 2 do
  local index = tonumber(ARGV[at])
  local from = state_of(states, index)
  if from >= SUCCEEDED then
    move(live, states, index, from, OPEN)
    if from == SUCCEEDED then redis.call('HINCRBY', live, 'images', -1) end
    redis.call('HINCRBY', settled, ARGV[at + 1], -1)
    local cursor = tonumber(redis.call('HGET', live, 'cursor'))
    if index < cursor then redis.call('HSET', live, 'cursor', index) end
    opened = opened + 1
  end
end
if opened > 0 then
  redis.call('HSET', live, 'status', 'in_progress')
  redis.call('HDEL', live, 'finalizing_at_ms', 'ends_as')
  put_in_turn(live, tenants, tenant_batches, tenant, batch)
end
return opened
