import { connect } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Whether a Docker engine accepts connections. A `docker` client without an engine behind it proves nothing, so the
 * socket is asked: `DOCKER_HOST`, else where Docker, Docker Desktop, Colima and rootless Docker put theirs.
 */
export async function dockerAnswers(env: NodeJS.ProcessEnv): Promise<boolean> {
  const home = homedir()
  const usual = [
    '/var/run/docker.sock',
    join(home, '.docker/run/docker.sock'),
    join(home, '.colima/default/docker.sock'),
    join(env.XDG_RUNTIME_DIR ?? '/run/user/none', 'docker.sock'),
  ]
  const addresses = env.DOCKER_HOST === undefined ? usual : [env.DOCKER_HOST]
  if (process.platform === 'win32' && env.DOCKER_HOST === undefined) addresses.push('//./pipe/docker_engine')
  const answers = await Promise.all(addresses.map(accepts))
  return answers.some(Boolean)
}

async function accepts(address: string): Promise<boolean> {
  const url = /^(tcp|http|https):\/\//.test(address) ? new URL(address.replace(/^\w+:/, 'http:')) : undefined
  const socket =
    url === undefined
      ? connect({ path: address.replace(/^(unix|npipe):\/\//, '') })
      : connect({ host: url.hostname, port: Number(url.port || 2375) })
  const opened = new Promise<boolean>((resolve) => {
    socket.once('connect', () => {
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })
  const timer = new AbortController()
  try {
    return await Promise.race([opened, delay(1_000, false, { signal: timer.signal })])
  } finally {
    timer.abort()
    socket.destroy()
  }
}
