import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Whether packages can be had by apt here: Debian, Ubuntu and their like. */
export async function hasApt(env: NodeJS.ProcessEnv): Promise<boolean> {
  const found = await Promise.all(['apt-get', 'dpkg-deb'].map(async (program) => works(program, ['--version'], env)))
  return found.every(Boolean)
}

export interface UnpackOptions {
  readonly wanted: string
  /** The folder to make; not there yet. */
  readonly into: string
  readonly env: NodeJS.ProcessEnv
  readonly say: (line: string) => void
}

/**
 * Unpacks a Debian package and the libraries that it needs and this system lacks into a folder.
 * Needs no root, installs nothing, starts no service. Throws one line when apt cannot get the packages.
 */
export async function unpackDebianPackage(options: UnpackOptions): Promise<void> {
  const { wanted, into, env, say } = options
  await mkdir(dirname(into), { recursive: true })
  const work = await mkdtemp(join(dirname(into), `.${basename(into)}-`))
  try {
    const apt = await openApt(work, options)
    const packages = [wanted, ...(await missingLibraries(apt, wanted))]
    say(`getting ${packages.join(', ')}`)
    const archives = join(work, 'archives')
    await mkdir(archives)
    await download(apt, packages, archives, options)
    const root = join(work, 'root')
    for (const archive of await readdir(archives)) await command('dpkg-deb', ['-x', join(archives, archive), root], env)
    await rename(root, into).catch(async (error: unknown) => {
      // Two can be started together: the other's is as good as ours.
      if ((await readdir(into).catch(() => [])).length === 0) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Environment in which a program under `root` finds the libraries that were unpacked with it. */
export async function unpackedEnv(root: string, env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  const lib = join(root, 'usr', 'lib')
  const folders = await readdir(lib).catch(() => [])
  const paths = folders.filter((name) => name.includes('-linux-')).map((name) => join(lib, name))
  return { ...env, LD_LIBRARY_PATH: [...paths, lib].join(':') }
}

/** apt's options for this run: its cache is ours, so that no root is needed; the lists are ours where the system has none. */
interface Apt {
  readonly options: string[]
  readonly env: NodeJS.ProcessEnv
  readonly work: string
}

async function openApt(work: string, { wanted, env, say }: UnpackOptions): Promise<Apt> {
  const cache = join(work, 'cache')
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true })
  const apt: Apt = {
    options: ['-o', `Dir::Cache=${cache}`, '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root'],
    env: { ...env, LC_ALL: 'C' }, // its answers are read
    work,
  }
  if (!(await isKnown(apt, wanted))) await updateLists(apt, say)
  if (!(await isKnown(apt, wanted))) throw new Error(`apt knows no package ${wanted} here`)
  return apt
}

async function updateLists(apt: Apt, say: (line: string) => void): Promise<void> {
  say("getting apt's package lists (about 20 MB, once)")
  const lists = join(apt.work, 'lists')
  await mkdir(join(lists, 'partial'), { recursive: true })
  apt.options.push('-o', `Dir::State::lists=${lists}`)
  await command('apt-get', [...apt.options, '--quiet', 'update'], apt.env)
}

async function download(apt: Apt, packages: string[], archives: string, { say }: UnpackOptions): Promise<void> {
  const get = async (): Promise<string> =>
    command('apt-get', [...apt.options, '--quiet', 'download', ...packages], apt.env, archives)
  const ownLists = apt.options.some((option) => option.startsWith('Dir::State::lists='))
  await get().catch(async (error: unknown) => {
    if (ownLists) throw error
    // The system's lists can be old: they then name versions that the mirror has no more.
    await updateLists(apt, say)
    await get()
  })
}

async function isKnown(apt: Apt, name: string): Promise<boolean> {
  const policy = await command('apt-cache', [...apt.options, 'policy', name], apt.env)
  return /^ {2}Candidate: (?!\(none\))/m.test(policy)
}

/** Libraries that the package needs, directly or not, and that are not installed. Anything but libraries serves its installation only. */
async function missingLibraries(apt: Apt, wanted: string): Promise<string[]> {
  const found = new Set<string>()
  let next = [wanted]
  while (next.length > 0) {
    const answer = await command('apt-cache', [...apt.options, 'depends', '--important', ...next], apt.env)
    const fresh = new Set<string>()
    for (const name of dependencies(answer)) {
      const needed = /^(lib|lua)/.test(name) || name.endsWith('-tools')
      if (needed && name !== wanted && !found.has(name) && !(await isInstalled(apt, name))) fresh.add(name)
    }
    for (const name of fresh) found.add(name)
    next = [...fresh]
  }
  return [...found]
}

/** Names after `Depends:` in what `apt-cache depends` printed; of alternatives (`|Depends:`), the first. */
export function dependencies(answer: string): string[] {
  const names: string[] = []
  let isAlternative = false
  for (const line of answer.split('\n')) {
    const match = /^ ([ |])(?:Pre)?Depends: ([^<\s]+)$/.exec(line)
    if (match === null) continue
    if (!isAlternative) names.push(match[2] as string)
    isAlternative = match[1] === '|'
  }
  return names
}

async function isInstalled(apt: Apt, name: string): Promise<boolean> {
  const status = await command('dpkg-query', ['--show', '--showformat=${db:Status-Abbrev}\n', name], apt.env).catch(
    () => '',
  )
  return /^ii/m.test(status)
}

async function works(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  return command(program, args, env).then(
    () => true,
    () => false,
  )
}

async function command(program: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<string> {
  try {
    const { stdout } = await run(program, args, { env, maxBuffer: 64 * 2 ** 20, ...(cwd === undefined ? {} : { cwd }) })
    return stdout
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    const line = said.split('\n').find((text) => text.startsWith('E:')) ?? said.trim().split('\n').at(-1) ?? ''
    throw new Error(`${program} failed: ${line}`, { cause: error })
  }
}
