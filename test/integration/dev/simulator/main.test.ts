import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished } from 'vitest'

function start(...argv: string[]) {
  const child = spawn(process.execPath, ['src/dev/simulator/main.ts', ...argv], { stdio: 'pipe' })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, exited, firstLine: once(createInterface(child.stdout), 'line') }
}

async function balanceStatus(baseUrl: string): Promise<number> {
  const url = new URL('/api/v1/billing/balance', baseUrl)
  return (await fetch(url, { headers: { authorization: 'Bearer rc_live_test00000001' } })).status
}

describe('the program', () => {
  it('says where it listens in one line of JSON, takes its options, and ends on SIGTERM', async () => {
    const { child, exited, firstLine } = start('--port', '0', '--rate-limit', '7', '--latency-ms', '3')
    const [line] = (await firstLine) as [string]
    const { baseUrl } = JSON.parse(line) as { baseUrl: string }
    expect(baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+\/v1$/)
    expect(await balanceStatus(baseUrl)).toBe(200)
    const options = await (await fetch(new URL('/_sim/options', baseUrl))).json()
    expect(options).toMatchObject({ rate_limit: 7, latency_ms: 3, latency_scale: 1 })
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })

  it('ends with --parent when its standard input closes, also in the middle of calls', async () => {
    const { child, exited, firstLine } = start('--parent', '--latency-ms', '60000')
    const [line] = (await firstLine) as [string]
    const { baseUrl } = JSON.parse(line) as { baseUrl: string }
    const call = fetch(`${baseUrl}/images/generations`, {
      method: 'POST',
      headers: { authorization: 'Bearer rc_live_test00000001' },
      body: JSON.stringify({ model: 'sim/any', prompt: 'A mug' }),
    })
    child.stdin.end()
    await expect(call).rejects.toThrow('fetch failed')
    expect(await exited).toEqual([0, null])
  })

  it('ends with --parent where there is no standard input at all', async () => {
    const child = spawn(process.execPath, ['src/dev/simulator/main.ts', '--parent'], { stdio: 'ignore' })
    onTestFinished(() => void child.kill('SIGKILL'))
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it.each([[['--port', 'x']], [['--rate-limit', '1.5']], [['--latency-scale', '-1']], [['--colour']]])(
    'ends with code 2 for %j',
    async (argv) => {
      const { exited } = start(...argv)
      expect(await exited).toEqual([2, null])
    },
  )
})
