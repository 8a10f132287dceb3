/** What a Lua text does with names, as far as it can be told without running it. */
export interface LuaNames {
  /** Names that are read or called and were not declared where they stand. */
  readonly undeclared: ReadonlySet<string>
  /** Names that are assigned to and were not declared: global variables. */
  readonly globalsSet: ReadonlySet<string>
  /** Names declared outside of any function or block. */
  readonly topLevel: ReadonlySet<string>
  /** All names that are read, assigned to or called. */
  readonly used: ReadonlySet<string>
}

const keywords = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
)
const given = ['redis', 'KEYS', 'ARGV', 'tonumber', 'tostring', 'string', 'math', 'table', 'ipairs', 'pairs']
const token = /--[^\n]*|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[A-Za-z_]\w*|\d[\w.]*|[=~<>]=|\.{2,3}|[^\s\w]/g
const opens = new Set(['then', 'else', 'do', 'repeat'])
const closes = new Set(['end', 'else', 'elseif', 'until'])

export function luaNames(text: string): LuaNames {
  const tokens = [...text.matchAll(token)].map(([found]) => found).filter((found) => !found.startsWith('--'))
  const [undeclared, globalsSet, used] = [new Set<string>(), new Set<string>(), new Set<string>()]
  const topLevel = new Set<string>()
  const scopes = [new Set(given), topLevel]
  const isName = (at: number): boolean => /^[A-Za-z_]/.test(tokens[at] ?? '') && !keywords.has(tokens[at] ?? '')
  const declare = (names: readonly string[]): void => {
    for (const name of names) scopes.at(-1)?.add(name)
  }
  /** The names of a list like `a, b` that begins at `at`. */
  function listAt(at: number): string[] {
    if (!isName(at)) return []
    const name = tokens[at] as string
    return tokens[at + 1] === ',' ? [name, ...listAt(at + 2)] : [name]
  }
  let braces = 0
  let loopNames: string[] = []
  for (let at = 0; at < tokens.length; at += 1) {
    const here = tokens[at] as string
    if (here === '{') braces += 1
    if (here === '}') braces -= 1
    if (closes.has(here)) scopes.pop()
    if (opens.has(here)) {
      scopes.push(new Set(here === 'do' ? loopNames : []))
      if (here === 'do') loopNames = []
    }
    if (here === 'for') {
      loopNames = listAt(at + 1)
      at += 2 * loopNames.length - 1
    } else if (here === 'function') {
      const named = isName(at + 1)
      if (named && tokens[at - 1] === 'local') declare([tokens[at + 1] as string])
      const parameters = listAt(at + (named ? 3 : 2))
      scopes.push(new Set(parameters))
      at += (named ? 2 : 1) + Math.max(0, 2 * parameters.length - 1)
    } else if (here === 'local' && tokens[at + 1] !== 'function') {
      const names = listAt(at + 1)
      declare(names)
      at += 2 * names.length - 1
    } else if (isName(at) && tokens[at - 1] !== '.' && !(braces > 0 && tokens[at + 1] === '=')) {
      used.add(here)
      if (scopes.some((scope) => scope.has(here))) continue
      undeclared.add(here)
      if (tokens[at + 1] === '=') globalsSet.add(here)
    }
  }
  return { undeclared, globalsSet, topLevel, used }
}
