// `npm run build`: src/ as JavaScript in dist/, which is what is published.
import { execFile } from 'node:child_process'
import { chmod, copyFile, glob, mkdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..')

/** Compiles src into a folder that is made anew, with the files beside the code (Lua scripts) at the same places. */
export async function build(out: string): Promise<void> {
  await rm(out, { recursive: true, force: true })
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const args = [tsc, '--project', join(root, 'tsconfig.build.json'), '--outDir', out]
  await promisify(execFile)(process.execPath, args, { cwd: root }).catch((error: unknown) => {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error)
    throw new Error(`tsc failed:\n${said}`, { cause: error })
  })
  const src = join(root, 'src')
  for await (const path of glob('**/*', { cwd: src, exclude: ['**/*.ts'] })) {
    if ((await stat(join(src, path))).isDirectory()) continue
    await mkdir(dirname(join(out, path)), { recursive: true })
    await copyFile(join(src, path), join(out, path))
  }
  await chmod(join(out, 'cli', 'main.js'), 0o755)
}

if (import.meta.main) await build(join(root, 'dist'))
