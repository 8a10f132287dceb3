/** Deeper than anything that docs/api.md knows, and far from what would exhaust a stack. */
const depthMax = 64

/** A JSON text's value, or what is wrong with it as the end of a sentence; `at` is where it stops being JSON. */
export type ReadJson = { readonly value: unknown } | JsonFault

export interface JsonFault {
  readonly fault: string
  /** Line and column count from 1, the offset in characters from 0. */
  readonly at?: { readonly line: number; readonly column: number; readonly offset: number }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Reads a JSON text. Of keys that stand twice in an object the last one counts. */
export function readJson(bytes: Buffer): ReadJson {
  if (depthOf(bytes) > depthMax) return { fault: `is nested deeper than ${String(depthMax)} levels` }
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { fault: 'is not UTF-8' }
  }
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    const offset = jsonEnd(text)
    const before = text.slice(0, offset)
    const at = { line: before.split('\n').length, column: offset - before.lastIndexOf('\n'), offset }
    return { fault: offset >= text.length ? 'ends too early' : 'is not JSON', at }
  }
}

const quote = 0x22
const backslash = 0x5c

/** How deep braces and brackets go, counted outside of strings; stops at one more than is allowed. */
function depthOf(bytes: Buffer): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let at = 0; at < bytes.length && deepest <= depthMax; at += 1) {
    const byte = bytes[at]
    if (inString) {
      if (byte === backslash) at += 1
      else if (byte === quote) inString = false
    } else if (byte === quote) {
      inString = true
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1
      deepest = Math.max(deepest, depth)
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1
    }
  }
  return deepest
}

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end'

/**
 * The offset at which a text stops being JSON (RFC 8259): that of the first character which cannot stand there, or the
 * length of the text. V8 says it in its message for long texts only, and then with a piece of the text beside it.
 */
export function jsonEnd(text: string): number {
  const open: ('{' | '[')[] = []
  let at = 0
  let expected: Expected = 'value'
  for (;;) {
    at = endOf(/[ \t\n\r]*/y, text, at)
    const char = text[at]
    if (char === undefined) return text.length
    if (expected === ':') {
      if (char !== ':') return at
      expected = 'value'
      at += 1
    } else if (expected === ', or end') {
      const inside = open.at(-1)
      if (char === ',' && inside !== undefined) expected = inside === '{' ? 'key' : 'value'
      else if (inside !== undefined && char === (inside === '{' ? '}' : ']')) open.pop()
      else return at
      at += 1
    } else if ((char === '}' && expected === 'key or }') || (char === ']' && expected === 'value or ]')) {
      open.pop()
      expected = ', or end'
      at += 1
    } else if (char === '"') {
      const end = endOfString(text, at)
      if (!end.closed) return end.at
      expected = isKey(expected) ? ':' : ', or end'
      at = end.at
    } else if (isKey(expected)) {
      return at
    } else if (char === '{' || char === '[') {
      open.push(char)
      expected = char === '{' ? 'key or }' : 'value or ]'
      at += 1
    } else {
      const end = endOf(/true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y, text, at)
      if (end === at) return at
      expected = ', or end'
      at = end
    }
  }
}

function isKey(expected: Expected): boolean {
  return expected === 'key' || expected === 'key or }'
}

function endOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : from
}

function endOfString(text: string, from: number): { at: number; closed: boolean } {
  for (let at = from + 1; at < text.length; at += 1) {
    const char = text[at] ?? ''
    if (char === '"') return { at: at + 1, closed: true }
    if (char < ' ') return { at, closed: false }
    if (char !== '\\') continue
    const escaped = endOf(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y, text, at)
    if (escaped === at) return { at, closed: false }
    at = escaped - 1
  }
  return { at: text.length, closed: false }
}
