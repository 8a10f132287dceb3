import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { parseUsd } from '../../shared/money/usd.ts'
import { jsonAnswer, refusalAnswer, type Answer } from './answer.ts'
import { readJson } from './body.ts'
import { faultPlan, noFaults } from './faults.ts'
import { notFound, Refusal } from './refusal.ts'
import { settingsChange } from './settings.ts'
import type { Simulator } from './simulator.ts'

const usd = z.union([z.string(), z.number()]).transform((text, context) => {
  try {
    return parseUsd(text)
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : String(error))
    return z.NEVER
  }
})
const balanceChange = z.strictObject({ usd, key: z.string().optional() })
const revocation = z.strictObject({ key: z.string(), revoked: z.boolean().default(true) })
const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
const callQuery = z.strictObject({
  paid: flag.optional(),
  all: flag.optional(),
  key: z.string().optional(),
  after: z.string().optional(),
  limit: z.coerce.number().int().min(0).optional(),
})

/**
 * `/_sim/...`: what tests and people ask of the simulator. No part of Runcrate's API.
 *
 *   GET, DELETE        /calls?paid&all&key&after&limit   the ledger of calls (`calls.ts` says what it counts)
 *   GET                /stats      its counts alone, calls at once, calls a second, 429s
 *   GET, PUT, DELETE   /faults     a seeded plan (`faults.ts`)
 *   GET, PUT           /options    rate limit, latency, form of the answers ... (`settings.ts`)
 *   PUT                /balance    `{ usd, key? }`
 *   POST               /revoke     `{ key, revoked? }`
 */
export async function answerControl(simulator: Simulator, request: IncomingMessage, url: URL): Promise<Answer> {
  const route = `${request.method ?? ''} ${url.pathname.slice('/_sim'.length)}`
  const body = () => readJson(request, 1024 * 1024)
  switch (route) {
    case 'GET /calls':
      return jsonAnswer(200, simulator.calls.read(checked(callQuery, Object.fromEntries(url.searchParams))))
    case 'DELETE /calls':
      simulator.calls.clear()
      simulator.traffic.clear()
      return jsonAnswer(200, {})
    case 'GET /stats':
      return jsonAnswer(200, { ...simulator.calls.totals(), ...simulator.traffic.read() })
    case 'GET /faults':
      return jsonAnswer(200, simulator.faults.plan)
    case 'PUT /faults':
      simulator.faults.set(checked(faultPlan, await body()))
      return jsonAnswer(200, simulator.faults.plan)
    case 'DELETE /faults':
      simulator.faults.set(noFaults)
      return jsonAnswer(200, simulator.faults.plan)
    case 'GET /options':
      return jsonAnswer(200, simulator.settings)
    case 'PUT /options':
      simulator.settings = Object.assign({}, simulator.settings, checked(settingsChange, await body()))
      return jsonAnswer(200, simulator.settings)
    case 'PUT /balance': {
      const change = checked(balanceChange, await body())
      simulator.keys.setBalance(change.usd, change.key)
      return jsonAnswer(200, {})
    }
    case 'POST /revoke': {
      const { key, revoked } = checked(revocation, await body())
      simulator.keys.setRevoked(key, revoked)
      return jsonAnswer(200, {})
    }
    default:
      return refusalAnswer(notFound(route))
  }
}

/** The value as the schema has it. Throws a Refusal that says what is wrong. */
function checked<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new Refusal(422, 'validation_error', z.prettifyError(parsed.error))
  return parsed.data
}
