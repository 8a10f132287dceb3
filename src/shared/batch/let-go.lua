-- Lets go of exactly those outcomes that were written to the ledger: one that changed meanwhile stays.
--   keys   outcomes unsealed unwritten
--   args   chunk now_ms; then index, outcome, ...
--   gives  how many were let go of
local gone = 0
for at = rest_from, #ARGV, 2 do
  if redis.call('HGET', outcomes, ARGV[at]) == ARGV[at + 1] then
    redis.call('HDEL', outcomes, ARGV[at])
    redis.call('DECRBY', unwritten, #ARGV[at + 1])
    gone = gone + 1
  end
end
if redis.call('HLEN', outcomes) == 0 then redis.call('ZREM', unsealed, chunk)
else redis.call('ZADD', unsealed, 'XX', now_ms, chunk) end
return gone
