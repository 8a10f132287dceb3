-- A webhook that was behind is with the others again, if the log holds nothing of its batch behind its place: an event
-- that the relay has passed over was in the log by then.
--   keys   behind events
--   args   batch at
--   gives  1 where it is
local rest = redis.call('XRANGE', events, '(' .. at, '+', 'COUNT', 100)
if #rest == 100 then return 0 end
for _, entry in ipairs(rest) do
  for position = 1, #entry[2], 2 do
    if entry[2][position] == 'batch' and entry[2][position + 1] == batch then return 0 end
  end
end
redis.call('HDEL', behind, batch)
return 1
