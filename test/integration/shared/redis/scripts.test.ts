import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { connect, type Redis } from '../../../../src/shared/redis/connect.ts'
import { definedScripts, scriptText } from '../../../../src/shared/redis/script.ts'
import { luaNames } from '../../../support/lua-names.ts'

const root = join(import.meta.dirname, '..', '..', '..', '..')
const luaFiles: string[] = []
for await (const name of glob('src/**/*.lua', { cwd: root })) luaFiles.push(name)
for await (const name of glob('src/**/*.ts', { cwd: root })) {
  if (!readFileSync(join(root, name), 'utf8').includes('= defineScript(')) continue
  await import(pathToFileURL(join(root, name)).href)
}

const nameOf = (file: URL): string => relative(root, fileURLToPath(file))
const scripts = definedScripts.map((definition) => [nameOf(definition.file), definition] as const)
const libraries = new Map(
  definedScripts.flatMap((definition) => (definition.libraries ?? []).map((file) => [nameOf(file), file] as const)),
)

let redis: Redis
beforeAll(() => {
  redis = connect(inject('redisUrl'), 'own', (error) => {
    throw error
  })
})
afterAll(() => {
  redis.disconnect()
})

/** The words behind a label of a script's header, up to a `;`, over as many lines as they take. */
function headerWords(file: URL, label: 'keys' | 'args' | 'gives'): string[] | undefined {
  const header = /^(?:--.*\n)+/.exec(readFileSync(file, 'utf8'))?.[0] ?? ''
  const found = new RegExp(`^--   ${label} +(.*(?:\\n--          .*)*)`, 'm').exec(header)?.[1]
  const words = found?.replaceAll(/\n--/g, ' ').split(';')[0]?.trim().split(/\s+/)
  return words?.[0] === '(none)' ? [] : words
}

const source = (file: URL): string => readFileSync(file, 'utf8').replaceAll(/--[^\n]*/g, '')

describe('every Lua file', () => {
  it('belongs to a script, as the script itself or as a library of one', () => {
    expect(scripts.length).toBeGreaterThan(20)
    const belonging = new Set([...scripts.map(([name]) => name), ...libraries.keys()])
    expect(luaFiles.filter((name) => !belonging.has(name))).toEqual([])
  })

  it('is one script, or a library, and not both', () => {
    expect(scripts.map(([name]) => name)).toEqual([...new Set(scripts.map(([name]) => name))])
    expect(scripts.filter(([name]) => libraries.has(name))).toEqual([])
  })
})

describe.each(scripts)('%s', (_, definition) => {
  const names = luaNames(scriptText(definition))

  it('is Lua that Redis takes', async () => {
    expect(await redis.script('LOAD', scriptText(definition))).toMatch(/^[0-9a-f]{40}$/)
  })

  it('sets no global variable, and reads none but what Redis gives', () => {
    expect(names.globalsSet).toEqual(new Set())
    expect(names.undeclared).toEqual(new Set())
  })

  it('says in its header what it does, and names its keys and arguments as its caller does', () => {
    expect(readFileSync(definition.file, 'utf8')).toMatch(/^-- [A-Z]/)
    expect(headerWords(definition.file, 'keys')).toEqual(definition.keys)
    expect(headerWords(definition.file, 'args') ?? []).toEqual(definition.args)
    expect(headerWords(definition.file, 'gives')?.length).toBeGreaterThan(0)
  })

  it('uses every key and argument that it is given', () => {
    const { used } = luaNames(source(definition.file))
    expect([...definition.keys, ...definition.args].filter((name) => !used.has(name))).toEqual([])
  })

  it('gives every key to Redis by a declared name, so that a Cluster knows where it runs', () => {
    expect(source(definition.file)).not.toMatch(/\bKEYS\b/)
    expect(new Set(definition.keys).size).toBe(definition.keys.length)
  })

  it('uses every library that is put in front of it', () => {
    const texts = [...(definition.libraries ?? []), definition.file].map((file) => source(file))
    const unused = (definition.libraries ?? []).filter((file, at) => {
      const { topLevel } = luaNames(source(file))
      const later = luaNames(texts.slice(at + 1).join('\n')).used
      return ![...topLevel].some((name) => later.has(name))
    })
    expect(unused.map(nameOf)).toEqual([])
  })
})

describe.each([...libraries])('%s', (_, file) => {
  it('says that it is a library, and for what', () => {
    expect(readFileSync(file, 'utf8')).toMatch(/^-- Library: ./)
  })

  it('holds only declarations: nothing of it runs by itself', () => {
    const calls = source(file)
      .split('\n')
      .filter((line) => /^redis\.|^return\b/.test(line))
    expect(calls).toEqual([])
  })
})

describe('the reading of names', () => {
  it('sees a global that is set, one that is only read, and nothing in what is declared', () => {
    const text = `
      local a, b = 1, { c = 2, d = redis.call('GET', KEYS[1]) } -- e = 3
      local function f(g, h) local s = g.i return s + h end
      for j, k in ipairs(b) do l = f(j, k) end
      if a == 1 then m.n = o elseif a then local q = 1 else a = q end
      b.p = g
      a = s
    `
    const { globalsSet, undeclared, topLevel } = luaNames(text)
    expect([...globalsSet]).toEqual(['l'])
    expect([...undeclared]).toEqual(['l', 'm', 'o', 'q', 'g', 's'])
    expect([...topLevel]).toEqual(['a', 'b', 'f'])
  })
})
