-- Fixes how a batch ends, before its summary is written: whatever is said of it later comes too late.
--   keys   live
--   args   round
--   gives  'completed' | 'cancelled' | 'expired' | 'refused'      refused: something is open, or another round runs
local fields = redis.call('HMGET', live, 'round', 'status', 'closing')
if fields[1] ~= round or fields[2] ~= 'finalizing' or not nothing_open(live) then return 'refused' end
redis.call('HSETNX', live, 'ends_as', fields[3] or 'completed')
return redis.call('HGET', live, 'ends_as')
