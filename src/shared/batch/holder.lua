-- Library: whether nobody can be calling for a fence any more. Of this very process only the process itself can tell:
-- its attempt may still run when its heartbeat is late.
local function holder_is_dead(beats_key, held_process, held_attempt, process, dead_attempt)
  if held_process == process then return held_attempt == dead_attempt end
  return tonumber(redis.call('ZSCORE', beats_key, held_process) or '0') < redis_now_ms()
end
