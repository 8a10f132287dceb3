-- Library: appends to the event log, in the same step as the change that the event tells of.
-- The stream has a bound; what falls behind it is derived again from the ledger.
local EVENTS_MAX = 100000

local function append_event(events_key, type, batch, round, sequence, now_ms)
  redis.call('XADD', events_key, 'MAXLEN', '~', EVENTS_MAX, '*',
    'type', type, 'batch', batch, 'round', round, 'sequence', sequence, 'at_ms', now_ms)
end
