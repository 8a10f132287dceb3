import { expect, it } from 'vitest'
import { eventId } from '../../../../src/shared/events/event-id.ts'

const end = { type: 'batch.completed', batch: 'batch_01JD0000000000000000000000', round: 1 }

it('gives one id for one event, in letters and digits', () => {
  expect(eventId(end)).toBe(eventId({ ...end }))
  expect(eventId(end)).toMatch(/^msg_[A-Za-z0-9]{32}$/)
})

it('does not change between versions of the program, since a receiver drops repeats by it', () => {
  expect(eventId(end)).toBe('msg_3ff8dfb3b4e4a69aa4d16b3ca3a87290')
})

it('gives different events different ids', () => {
  const ids = [
    eventId(end),
    eventId({ ...end, type: 'batch.cancelled' }),
    eventId({ ...end, batch: 'batch_01JD0000000000000000000001' }),
    eventId({ ...end, round: 2 }),
    eventId({ ...end, index: 0 }),
    eventId({ ...end, index: 1 }),
    eventId({ ...end, version: 0 }),
    eventId({ ...end, version: 1 }),
  ]
  expect(new Set(ids).size).toBe(ids.length)
})
