import type { IncomingMessage } from 'node:http'
import { formatUsd } from '../../shared/money/usd.ts'
import { jsonAnswer, refusalAnswer, type Answer } from './answer.ts'
import { forbidden, notFound, Refusal, unauthorized } from './refusal.ts'
import type { Simulator } from './simulator.ts'

/** `GET /api/v1/billing/...`: how a key is checked without spending. An outage of the service is one here too. */
export function answerBilling(simulator: Simulator, request: IncomingMessage, path: string): Answer {
  const admitted = simulator.keys.admit(request.headers.authorization)
  if ('refusal' in admitted) return refusalAnswer(admitted.refusal)
  const { key } = admitted
  const outage = simulator.faults.outage()?.name
  if (outage === '401') return refusalAnswer(unauthorized())
  if (outage === '403_key') return refusalAnswer(forbidden())
  if (outage === 'cut_before') return { kind: 'cut' }
  if (outage !== undefined && outage !== '402' && outage !== '429')
    return refusalAnswer(new Refusal(503, 'server_error', 'The service is temporarily unavailable.'))

  if (path === '/balance') {
    const balanceNano = outage === '402' ? 0 : simulator.keys.balanceNano(key)
    return jsonAnswer(200, { data: { creditsBalance: Number(formatUsd(balanceNano)), activeUsageCost: 0 } })
  }
  if (path === '/usage') {
    const { requests, costNano } = simulator.calls.bill(key)
    return jsonAnswer(200, { data: { totalRequests: requests, totalCost: Number(formatUsd(costNano)) } })
  }
  return refusalAnswer(notFound(path))
}
