-- Puts the fence of a running attempt back, where nobody holds the key: Redis may have lost it.
--   keys   fence
--   args   process attempt batch index round calling reserved_nano url
--   gives  1 where it was put back
if redis.call('EXISTS', fence) == 1 then return 0 end
redis.call('HSET', fence, 'process', process, 'attempt', attempt, 'batch', batch, 'index', index, 'round', round)
if calling == '1' then redis.call('HSET', fence, 'calling', '1', 'reserved_nano', reserved_nano) end
if url ~= '' then redis.call('HSET', fence, 'url', url) end
redis.call('PEXPIRE', fence, FENCE_TTL_MS)
return 1
