-- Library: appends to the event log, in the same step as the change that the event tells of.
-- The stream has a bound; what falls behind it is derived again from the ledger.
local EVENTS_MAX = 100000

-- `control`: the version of the batch's control that the event tells of; `index`: the item; nil for all others.
local function append_event(events_key, type, batch, round, sequence, now_ms, control, index)
  redis.call('XADD', events_key, 'MAXLEN', '~', EVENTS_MAX, '*',
    'type', type, 'batch', batch, 'round', round, 'sequence', sequence, 'at_ms', now_ms, 'control', control or '', 'index', index or '')
end
