-- Puts the fence of a running attempt back, where nobody holds the key: Redis may have lost it.
--   keys   fence live states claimed
--   args   process attempt batch index round calling reserved_nano url
--   gives  1 where it was put back
if redis.call('EXISTS', fence) == 1 then return 0 end
local stands = redis.call('HGET', live, 'round')
-- What Redis knows as settled, it has not lost.
if stands and (stands ~= round or state_of(states, index) >= SUCCEEDED) then return 0 end
redis.call('HSET', fence, 'process', process, 'attempt', attempt, 'batch', batch, 'index', index, 'round', round)
if calling == '1' then reserve_again(live, fence, reserved_nano) end
if url ~= '' then redis.call('HSET', fence, 'url', url) end
redis.call('PEXPIRE', fence, FENCE_TTL_MS)
-- Its batch may come back later than this; what is claimed is not closed with the rest.
redis.call('SADD', claimed, index)
if not stands then redis.call('PEXPIRE', claimed, FENCE_TTL_MS) end
return 1
