-- Marks items whose jobs were added as fed and moves the cursor behind them. Idempotent.
--   keys   live states
--   args   (none); then index, ...
--   gives  how many were moved
if redis.call('EXISTS', live) == 0 then return 0 end
local moved, highest = 0, -1
for at = rest_from, #ARGV do
  local index = tonumber(ARGV[at])
  if index > highest then highest = index end
  -- A worker may have been quicker: then the item is past `fed` already.
  if state_of(states, index) == OPEN then
    move(live, states, index, OPEN, FED)
    moved = moved + 1
  end
end
local cursor = tonumber(redis.call('HGET', live, 'cursor'))
if highest >= cursor then redis.call('HSET', live, 'cursor', highest + 1) end
return moved
