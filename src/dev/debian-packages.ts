import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Whether packages can be had by apt here: Debian, Ubuntu and their like. */
export async function hasApt(): Promise<boolean> {
  const found = await Promise.all([works('apt-get', ['--version']), works('dpkg-deb', ['--version'])])
  return found.every(Boolean)
}

/**
 * Unpacks a Debian package and the libraries that it needs and this system lacks into `into`, which must not exist yet.
 * Needs no root, installs nothing, starts no service. Throws one line when apt cannot get the packages.
 */
export async function unpackDebianPackage(wanted: string, into: string, say: (line: string) => void): Promise<void> {
  await mkdir(dirname(into), { recursive: true })
  const work = await mkdtemp(join(dirname(into), `.${basename(into)}-`))
  try {
    const apt = await openApt(work, wanted, say)
    const packages = [wanted, ...(await missingLibraries(apt, wanted))]
    say(`getting ${packages.join(', ')}`)
    const archives = join(work, 'archives')
    await mkdir(archives)
    await download(apt, packages, archives, work, say)
    const root = join(work, 'root')
    for (const archive of await readdir(archives)) await run('dpkg-deb', ['-x', join(archives, archive), root])
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
  options: string[]
}

async function openApt(work: string, wanted: string, say: (line: string) => void): Promise<Apt> {
  const cache = join(work, 'cache')
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true })
  const apt: Apt = {
    options: ['-o', `Dir::Cache=${cache}`, '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root'],
  }
  if (!(await isKnown(apt, wanted))) await updateLists(apt, work, say)
  if (!(await isKnown(apt, wanted))) throw new Error(`apt knows no package ${wanted} here`)
  return apt
}

async function updateLists(apt: Apt, work: string, say: (line: string) => void): Promise<void> {
  say("getting apt's package lists (about 20 MB, once)")
  const lists = join(work, 'lists')
  await mkdir(join(lists, 'partial'), { recursive: true })
  apt.options.push('-o', `Dir::State::lists=${lists}`)
  await command('apt-get', [...apt.options, '--quiet', 'update'])
}

async function download(
  apt: Apt,
  packages: string[],
  archives: string,
  work: string,
  say: (line: string) => void,
): Promise<void> {
  const get = (): Promise<string> => command('apt-get', [...apt.options, '--quiet', 'download', ...packages], archives)
  const ownLists = apt.options.some((option) => option.startsWith('Dir::State::lists='))
  await get().catch(async (error: unknown) => {
    if (ownLists) throw error
    // The system's lists can be old: they then name versions that the mirror has no more.
    await updateLists(apt, work, say)
    await get()
  })
}

async function isKnown(apt: Apt, name: string): Promise<boolean> {
  const policy = await command('apt-cache', [...apt.options, 'policy', name])
  return /^ {2}Candidate: (?!\(none\))/m.test(policy)
}

/** Libraries that the package needs, directly or not, and that are not installed. Anything but libraries serves its installation only. */
async function missingLibraries(apt: Apt, wanted: string): Promise<string[]> {
  const found = new Set<string>()
  let next = [wanted]
  while (next.length > 0) {
    const answer = await command('apt-cache', [...apt.options, 'depends', '--important', ...next])
    const fresh = new Set<string>()
    for (const name of dependencies(answer)) {
      const needed = /^(lib|lua)/.test(name) || name.endsWith('-tools')
      if (needed && name !== wanted && !found.has(name) && !(await isInstalled(name))) fresh.add(name)
    }
    for (const name of fresh) found.add(name)
    next = [...fresh]
  }
  return [...found]
}

/** Names after `Depends:` in what `apt-cache depends` printed; of alternatives (`|Depends:`), the first. */
function dependencies(answer: string): string[] {
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

async function isInstalled(name: string): Promise<boolean> {
  const status = await command('dpkg-query', ['--show', '--showformat=${db:Status-Abbrev}\n', name]).catch(() => '')
  return /^ii/m.test(status)
}

async function works(program: string, args: string[]): Promise<boolean> {
  return command(program, args).then(
    () => true,
    () => false,
  )
}

async function command(program: string, args: string[], cwd?: string): Promise<string> {
  const options = {
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 64 * 2 ** 20,
    ...(cwd === undefined ? {} : { cwd }),
  }
  try {
    return (await run(program, args, options)).stdout
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    const line = said.split('\n').find((text) => text.startsWith('E:')) ?? said.trim().split('\n').at(-1) ?? ''
    throw new Error(`${program} failed: ${line}`, { cause: error })
  }
}
