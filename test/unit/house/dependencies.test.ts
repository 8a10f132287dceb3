import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { z } from 'zod'

const root = join(import.meta.dirname, '..', '..', '..')
const packages = z.record(z.string(), z.string()).default({})
const manifest = z.object({ dependencies: packages, devDependencies: packages, optionalDependencies: packages })

function manifestOf(path: string): z.infer<typeof manifest> {
  return manifest.parse(JSON.parse(readFileSync(join(root, path), 'utf8')))
}

/** Package -> reason, as a section's table has them. */
function tableUnder(heading: string): Record<string, string> {
  const page = readFileSync(join(root, 'docs', 'dependencies.md'), 'utf8')
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  const rows = section.matchAll(/^\| `([^`]+)` +\| (.*?) *\|$/gm)
  return Object.fromEntries([...rows].map(([, name = '', reason = '']) => [name, reason]))
}

const cratework = manifestOf('package.json')

it.each([
  ['What Cratework runs on', cratework.dependencies],
  ['What it is made with', cratework.devDependencies],
  ['A Node for clones', manifestOf('tools/node24/package.json').optionalDependencies],
])('docs/dependencies.md, "%s", gives a reason for every package and names no other', (heading, listed) => {
  const reasons = tableUnder(heading)
  expect(Object.keys(reasons).toSorted()).toEqual(Object.keys(listed).toSorted())
  expect(Object.values(reasons).filter((reason) => reason.length < 5)).toEqual([])
})

it('versions are exact, so that a clone has what its authors had', () => {
  const ranges = Object.entries({ ...cratework.dependencies, ...cratework.devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
  )
  expect(ranges).toEqual([])
})
