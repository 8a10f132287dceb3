import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, type Child } from '../../src/dev/children.ts'
import { freePort } from '../../src/dev/ports.ts'
import { findRedis, type RedisProgram } from '../../src/dev/redis-program.ts'
import { connect, type Redis } from '../../src/shared/redis/connect.ts'
import { eventually } from './eventually.ts'

/** Three primaries of a Redis Cluster on this machine. */
export interface TestCluster extends AsyncDisposable {
  /** A client of the node that has the slot of these keys. */
  clientFor(key: string): Redis
  /** Clients of all nodes. */
  readonly nodes: readonly Redis[]
}

const nodeCount = 3
const slotCount = 16_384
const unpackInto = join(import.meta.dirname, '..', '..', '.cratework', 'redis')

/** False where a Redis can be run in a container alone: its nodes would not find each other. */
export async function canStartCluster(): Promise<boolean> {
  return 'command' in (await findRedis({ env: process.env, say: () => undefined, unpackInto }))
}

/** Starts them, gives each a third of the slots, and waits until all know of each other. */
export async function startCluster(): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'cratework-cluster-'))
  const program = await findRedis({ env: process.env, say: () => undefined, unpackInto })
  if (!('command' in program)) throw new Error('a cluster needs a Redis program on this machine, not a container')
  const children: Child<true>[] = []
  const nodes: Redis[] = []
  const stop = async (): Promise<void> => {
    for (const node of nodes) node.disconnect()
    await Promise.all(children.map((child) => child.stop()))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const ports: number[] = []
    for (let at = 0; at < nodeCount; at += 1) {
      const port = await clusterPort()
      children.push(await startNode(program, join(folder, String(at)), port))
      ports.push(port)
      nodes.push(
        connect(`redis://127.0.0.1:${String(port)}`, 'own', (error) => {
          throw error
        }),
      )
    }
    for (const [at, node] of nodes.entries()) {
      const [from, to] = [firstSlot(at), firstSlot(at + 1)]
      await node.cluster('ADDSLOTS', ...Array.from({ length: to - from }, (_, slot) => from + slot))
      // Else two nodes may both think that they are the newest.
      await node.cluster('SET-CONFIG-EPOCH', at + 1)
    }
    await meet(nodes, children, ports)
    return {
      nodes,
      clientFor(key) {
        const node = nodes.find((_, at) => slotOf(key) < firstSlot(at + 1))
        if (node === undefined) throw new Error(`no node has the slot of ${key}`)
        return node
      },
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The nodes talk to each other on a port that is 10,000 higher. */
async function clusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port + 10_000 <= 65_535) return port
  }
}

const firstSlot = (at: number): number => Math.floor((slotCount * at) / nodeCount)

async function startNode(
  program: RedisProgram & { readonly command: string },
  folder: string,
  port: number,
): Promise<Child<true>> {
  await mkdir(folder)
  return await startChild({
    name: 'Redis',
    command: program.command,
    args: [
      ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'no'],
      ['--cluster-enabled', 'yes', '--cluster-node-timeout', '5000'],
    ].flat(),
    env: program.env,
    readyLine: (line) => (line.includes('Ready to accept connections') ? true : undefined),
    readyWithinMs: 30_000,
    stopWithinMs: 10_000,
    tie: 'watcher',
  })
}

async function meet(
  nodes: readonly Redis[],
  children: readonly Child<true>[],
  ports: readonly number[],
): Promise<void> {
  for (const port of ports) await nodes[0]?.cluster('MEET', '127.0.0.1', port)
  await eventually(
    async () => {
      const states = await Promise.all(nodes.map((node) => node.cluster('INFO')))
      return states.every((state) => /cluster_state:ok/.test(state) && /cluster_known_nodes:3/.test(state))
    },
    { withinMs: 20_000, what: `the nodes to know each other\n${children.map((child) => child.tail()).join('\n')}` },
  )
}

/** CRC16 (XMODEM) of the hash tag, or of the key without one, as Redis Cluster has it. */
export function slotOf(key: string): number {
  const tag = /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff
  }
  return crc % slotCount
}
