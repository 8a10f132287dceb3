import { penMask, stamp, type Canvas, type Mask } from './canvas.ts'
import { contours } from './path.ts'

/**
 * A small stroke font of our own, so that no picture depends on a font of the machine. Units: capitals go from y = 0 down
 * to the baseline at y = 7, small letters start at 2.2, tails end at 9.3. `[width, path]`.
 */
const oval = 'M1.9 2.2C.8 2.2 0 3.1 0 4.6C0 6.1 .8 7 1.9 7C3 7 3.8 6.1 3.8 4.6C3.8 3.1 3 2.2 1.9 2.2Z'
const capitalO = 'M2.9 0C1.1 0 0 1.5 0 3.5C0 5.5 1.1 7 2.9 7C4.7 7 5.8 5.5 5.8 3.5C5.8 1.5 4.7 0 2.9 0Z'
const capitalP = 'M0 7L0 0L2.4 0C5.2 0 5.2 4 2.4 4L0 4'
const arch = 'M0 4.3C0 3 .9 2.2 1.9 2.2C3 2.2 3.6 2.9 3.6 4.2L3.6 7'

const glyphs: Readonly<Record<string, readonly [width: number, path: string]>> = {
  ' ': [1.2, ''],
  A: [5.4, 'M0 7L2.7 0L5.4 7M.95 4.6L4.45 4.6'],
  B: [4.6, 'M0 0L0 7L2.6 7C5.2 7 5.2 3.4 2.6 3.4L0 3.4M0 0L2.4 0C4.7 0 4.7 3.4 2.4 3.4'],
  C: [5, 'M5 1.3C4.4 .45 3.6 0 2.9 0C1.1 0 0 1.5 0 3.5C0 5.5 1.1 7 2.9 7C3.6 7 4.4 6.55 5 5.7'],
  D: [5, 'M0 0L0 7L1.9 7C3.9 7 5 5.6 5 3.5C5 1.4 3.9 0 1.9 0Z'],
  E: [4, 'M4 0L0 0L0 7L4 7M0 3.4L3.4 3.4'],
  F: [4, 'M4 0L0 0L0 7M0 3.5L3.4 3.5'],
  G: [5.2, 'M5 1.3C4.4 .45 3.6 0 2.9 0C1.1 0 0 1.5 0 3.5C0 5.5 1.1 7 2.9 7C4.3 7 5.2 6 5.2 4.4L5.2 3.8L3.1 3.8'],
  H: [4.8, 'M0 0L0 7M4.8 0L4.8 7M0 3.4L4.8 3.4'],
  I: [0, 'M0 0L0 7'],
  J: [3.4, 'M3.4 0L3.4 5C3.4 6.4 2.7 7 1.7 7C.8 7 .2 6.5 0 5.6'],
  K: [4.6, 'M0 0L0 7M4.4 0L0 4.4M1.6 2.9L4.6 7'],
  L: [3.8, 'M0 0L0 7L3.8 7'],
  M: [5.8, 'M0 7L0 0L2.9 4.6L5.8 0L5.8 7'],
  N: [4.9, 'M0 7L0 0L4.9 7L4.9 0'],
  O: [5.8, capitalO],
  P: [4.5, capitalP],
  Q: [5.8, `${capitalO}M3.6 5.2L5.6 7.4`],
  R: [4.6, `${capitalP}M2.3 4L4.6 7`],
  S: [4.4, 'M4.2 1.1C3.7 .4 3 0 2.2 0C1 0 .2 .7 .2 1.75C.2 4.1 4.4 2.7 4.4 5.1C4.4 6.3 3.5 7 2.2 7C1.2 7 .4 6.6 0 5.8'],
  T: [4.8, 'M0 0L4.8 0M2.4 0L2.4 7'],
  U: [4.8, 'M0 0L0 4.6C0 6.2 .9 7 2.4 7C3.9 7 4.8 6.2 4.8 4.6L4.8 0'],
  V: [5.2, 'M0 0L2.6 7L5.2 0'],
  W: [7.4, 'M0 0L1.85 7L3.7 1L5.55 7L7.4 0'],
  X: [4.8, 'M0 0L4.8 7M4.8 0L0 7'],
  Y: [4.8, 'M0 0L2.4 3.6L4.8 0M2.4 3.6L2.4 7'],
  Z: [4.6, 'M0 0L4.6 0L0 7L4.6 7'],
  a: [3.8, `M3.8 2.2L3.8 7${oval}`],
  b: [3.8, `M0 0L0 7${oval}`],
  c: [3.4, 'M3.4 3C3 2.5 2.5 2.2 1.9 2.2C.8 2.2 0 3.1 0 4.6C0 6.1 .8 7 1.9 7C2.5 7 3 6.7 3.4 6.2'],
  d: [3.8, `M3.8 0L3.8 7${oval}`],
  e: [3.8, 'M0 4.5L3.8 4.5C3.8 3.1 3 2.2 1.9 2.2C.8 2.2 0 3.1 0 4.6C0 6.1 .8 7 2 7C2.7 7 3.3 6.7 3.7 6.1'],
  f: [2.4, 'M2.6 .1C1.6 -.2 1 .4 1 1.5L1 7M0 2.4L2.3 2.4'],
  g: [3.8, `M3.8 2.2L3.8 7.2C3.8 8.6 3 9.3 1.9 9.3C1.2 9.3 .6 9 .2 8.5${oval}`],
  h: [3.6, `M0 0L0 7${arch}`],
  i: [0, 'M0 2.4L0 7M0 .2L0 .25'],
  j: [1.2, 'M1.2 2.4L1.2 7.8C1.2 8.8 .7 9.3 0 9.3M1.2 .2L1.2 .25'],
  k: [3.4, 'M0 0L0 7M3.2 2.2L0 5.2M1.3 4L3.4 7'],
  l: [0.8, 'M0 0L0 6C0 6.7 .3 7 .8 7'],
  m: [
    6,
    'M0 2.2L0 7M0 4.1C0 2.9 .7 2.2 1.6 2.2C2.5 2.2 3 2.9 3 4L3 7M3 4.1C3 2.9 3.7 2.2 4.6 2.2C5.5 2.2 6 2.9 6 4L6 7',
  ],
  n: [3.6, `M0 2.2L0 7${arch}`],
  o: [3.8, oval],
  p: [3.8, `M0 2.2L0 9.3${oval}`],
  q: [3.8, `M3.8 2.2L3.8 9.3${oval}`],
  r: [2.2, 'M0 2.2L0 7M0 4.4C0 3 .9 2.1 2.2 2.3'],
  s: [
    3.2,
    'M3 3C2.7 2.5 2.2 2.2 1.6 2.2C.7 2.2 .2 2.7 .2 3.4C.2 5 3.2 4.1 3.2 5.7C3.2 6.5 2.5 7 1.6 7C.9 7 .3 6.7 0 6.2',
  ],
  t: [2.4, 'M1 .8L1 5.8C1 6.8 1.6 7.1 2.4 6.9M0 2.4L2.4 2.4'],
  u: [3.6, 'M0 2.2L0 5C0 6.3 .6 7 1.7 7C2.8 7 3.6 6.2 3.6 4.9M3.6 2.2L3.6 7'],
  v: [3.8, 'M0 2.2L1.9 7L3.8 2.2'],
  w: [5.6, 'M0 2.2L1.4 7L2.8 2.8L4.2 7L5.6 2.2'],
  x: [3.6, 'M0 2.2L3.6 7M3.6 2.2L0 7'],
  y: [3.8, 'M0 2.2L1.9 7M3.8 2.2L1.9 7L1.3 8.5C1 9.1 .6 9.3 0 9.3'],
  z: [3.4, 'M0 2.2L3.4 2.2L0 7L3.4 7'],
  0: [4.2, 'M2.1 0C.7 0 0 1.4 0 3.5C0 5.6 .7 7 2.1 7C3.5 7 4.2 5.6 4.2 3.5C4.2 1.4 3.5 0 2.1 0Z'],
  1: [2.2, 'M0 1.5L1.8 0L1.8 7'],
  2: [4.2, 'M.1 1.7C.3 .6 1.1 0 2.1 0C3.3 0 4.1 .8 4.1 2C4.1 3.6 1.5 5 0 7L4.2 7'],
  3: [
    4.2,
    'M.2 1.2C.6 .4 1.2 0 2 0C3.2 0 4 .7 4 1.7C4 2.7 3.2 3.3 1.8 3.3C3.3 3.3 4.2 4 4.2 5.1C4.2 6.3 3.3 7 2.1 7C1.1 7 .4 6.5 0 5.6',
  ],
  4: [4.4, 'M3.2 7L3.2 0L0 4.9L4.4 4.9'],
  5: [4.2, 'M3.9 0L.7 0L.4 3.2C.9 2.8 1.5 2.6 2.1 2.6C3.4 2.6 4.2 3.5 4.2 4.8C4.2 6.1 3.3 7 2 7C1.1 7 .4 6.6 0 5.9'],
  6: [
    4.2,
    'M3.6 .6C3.2 .2 2.8 0 2.3 0C.9 0 0 1.6 0 4.2C0 6 .8 7 2.1 7C3.4 7 4.2 6.1 4.2 4.8C4.2 3.5 3.4 2.7 2.2 2.7C1.1 2.7 .2 3.4 0 4.5',
  ],
  7: [4.2, 'M0 0L4.2 0L1.5 7'],
  8: [
    4.2,
    'M2.1 3.2C1 3.2 .3 2.6 .3 1.6C.3 .6 1 0 2.1 0C3.2 0 3.9 .6 3.9 1.6C3.9 2.6 3.2 3.2 2.1 3.2C.9 3.2 0 3.9 0 5.1C0 6.3 .9 7 2.1 7C3.3 7 4.2 6.3 4.2 5.1C4.2 3.9 3.3 3.2 2.1 3.2Z',
  ],
  9: [
    4.2,
    'M.6 6.4C1 6.8 1.4 7 1.9 7C3.3 7 4.2 5.4 4.2 2.8C4.2 1 3.4 0 2.1 0C.8 0 0 .9 0 2.2C0 3.5 .8 4.3 2 4.3C3.1 4.3 4 3.6 4.2 2.5',
  ],
  '.': [0, 'M0 6.9L0 6.95'],
  ',': [0.4, 'M.4 6.8L0 8.2'],
  ':': [0, 'M0 3L0 3.05M0 6.8L0 6.85'],
  ';': [0.4, 'M.4 3L.4 3.05M.4 6.8L0 8.2'],
  '!': [0, 'M0 0L0 4.8M0 6.9L0 6.95'],
  '?': [3.4, 'M0 1.4C.3 .5 .9 0 1.7 0C2.7 0 3.4 .7 3.4 1.7C3.4 3.1 1.7 3.2 1.7 4.8M1.7 6.9L1.7 6.95'],
  "'": [0, 'M0 0L0 1.8'],
  '"': [1.4, 'M0 0L0 1.8M1.4 0L1.4 1.8'],
  '`': [1, 'M0 0L1 1.2'],
  '-': [2.2, 'M0 4.4L2.2 4.4'],
  '–': [3.4, 'M0 4.4L3.4 4.4'],
  _: [4, 'M0 8L4 8'],
  '/': [3, 'M0 8L3 -.6'],
  '\\': [3, 'M0 -.6L3 8'],
  '|': [0, 'M0 -.6L0 8.6'],
  '(': [1.4, 'M1.4 -.6C-.4 2 -.4 6 1.4 8.6'],
  ')': [1.4, 'M0 -.6C1.8 2 1.8 6 0 8.6'],
  '[': [1.4, 'M1.4 -.4L0 -.4L0 8.4L1.4 8.4'],
  ']': [1.4, 'M0 -.4L1.4 -.4L1.4 8.4L0 8.4'],
  '{': [1.8, 'M1.8 -.4C.2 -.4 1.6 3.8 0 4C1.6 4.2 .2 8.4 1.8 8.4'],
  '}': [1.8, 'M0 -.4C1.6 -.4 .2 3.8 1.8 4C.2 4.2 1.6 8.4 0 8.4'],
  '<': [3.2, 'M3.2 2.2L0 4.4L3.2 6.6'],
  '>': [3.2, 'M0 2.2L3.2 4.4L0 6.6'],
  '+': [3.6, 'M1.8 2.6L1.8 6.2M0 4.4L3.6 4.4'],
  '=': [3.6, 'M0 3.5L3.6 3.5M0 5.3L3.6 5.3'],
  '*': [2.8, 'M1.4 0L1.4 3.2M0 .8L2.8 2.4M2.8 .8L0 2.4'],
  '#': [4.4, 'M1.4 .6L.9 6.6M3.5 .6L3 6.6M.2 2.5L4.4 2.5M0 4.7L4.2 4.7'],
  '@': [
    6,
    'M4.2 2.6L4.2 4.6C4.2 5.8 6 5.6 6 3.6C6 1.4 4.7 0 3 0C1.2 0 0 1.6 0 3.8C0 6 1.2 7.6 3.2 7.6C4 7.6 4.6 7.4 5.1 7M4.2 3.8C4.2 2.9 3.7 2.4 3.1 2.4C2.3 2.4 1.8 3 1.8 3.9C1.8 4.7 2.3 5.2 3 5.2C3.7 5.2 4.2 4.6 4.2 3.8',
  ],
  '&': [5, 'M5 7L1.2 2.6C.2 1.4 .9 0 2.1 0C3.5 0 3.9 1.7 2.8 2.6L1 3.9C-.6 5.2 .3 7 1.9 7C3.3 7 4.4 5.9 4.8 3.8'],
  '%': [5.4, 'M4.7 0L.7 7M1.2 0C-.2 0 -.2 3 1.2 3C2.6 3 2.6 0 1.2 0ZM4.2 4C2.8 4 2.8 7 4.2 7C5.6 7 5.6 4 4.2 4Z'],
  $: [
    4.4,
    'M4.2 1.4C3.8 .8 3 .5 2.2 .5C1 .5 .2 1.1 .2 2C.2 4.1 4.4 2.9 4.4 5C4.4 6 3.5 6.6 2.2 6.6C1.2 6.6 .4 6.2 0 5.5M2.2 -.6L2.2 7.7',
  ],
  '^': [2.8, 'M0 2L1.4 0L2.8 2'],
  '~': [3.6, 'M0 4.8C.8 3 2.6 5.8 3.6 4'],
  '×': [2.8, 'M0 3L2.8 5.8M2.8 3L0 5.8'],
  '·': [0, 'M0 4.2L0 4.25'],
  '…': [4, 'M0 6.9L0 6.95M2 6.9L2 6.95M4 6.9L4 6.95'],
  '€': [
    4.6,
    'M4.6 1.1C4.1 .4 3.5 0 2.9 0C1.5 0 .7 1.5 .7 3.5C.7 5.5 1.5 7 2.9 7C3.5 7 4.1 6.6 4.6 5.9M0 2.8L3.4 2.8M0 4.2L3.2 4.2',
  ],
}
const unknown: readonly [number, string] = [3.8, 'M0 0L3.8 0L3.8 7L0 7Z']

const spacing = 1.55
const top = 1.4
const lineUnits = 12.4

/** A size and weight of the font: pixels a unit, and the pen's radius in units. */
export interface Pen {
  readonly unit: number
  readonly radius: number
}

export function lineHeight(pen: Pen): number {
  return Math.round(pen.unit * lineUnits)
}

/** The text in letters that the font has: accents dropped, anything else a box. */
function lettersOf(text: string): string[] {
  return Array.from(text.normalize('NFD').replace(/\p{M}/gu, ''))
}

export function textWidth(text: string, pen: Pen): number {
  return lettersOf(text).reduce((sum, letter) => sum + advance(letter, pen), 0)
}

function advance(letter: string, pen: Pen): number {
  return Math.round(((glyphs[letter] ?? unknown)[0] + spacing) * pen.unit)
}

/** Writes one line with the top of its capitals at y. */
export function write(canvas: Canvas, text: string, at: { x: number; y: number }, pen: Pen, colour: number): void {
  const edge = Math.ceil(pen.unit)
  let x = Math.round(at.x)
  for (const letter of lettersOf(text)) {
    stamp(canvas, glyphMask(letter, pen), x - edge, Math.round(at.y - top * pen.unit), colour)
    x += advance(letter, pen)
  }
}

const masks = new Map<string, Mask>()
const masksMax = 2000

function glyphMask(letter: string, pen: Pen): Mask {
  const key = `${letter} ${String(pen.unit)} ${String(pen.radius)}`
  const known = masks.get(key)
  if (known !== undefined) return known
  const [width, path] = glyphs[letter] ?? unknown
  const edge = Math.ceil(pen.unit)
  const lines = contours(path, { x: edge, y: top * pen.unit, scale: pen.unit })
  const mask = penMask(
    lines,
    pen.radius * pen.unit,
    Math.ceil(width * pen.unit) + 2 * edge,
    Math.ceil(lineUnits * pen.unit),
  )
  if (masks.size >= masksMax) masks.clear()
  masks.set(key, mask)
  return mask
}

/** Breaks a text into lines of at most `width` pixels; a word that is wider than a line is broken too. */
export function wrap(text: string, width: number, pen: Pen): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (textWidth(longer, pen) <= width) {
      line = longer
      continue
    }
    if (line !== '') lines.push(line)
    line = ''
    for (const letter of word) {
      if (line !== '' && textWidth(line + letter, pen) > width) {
        lines.push(line)
        line = ''
      }
      line += letter
    }
  }
  if (line !== '') lines.push(line)
  return lines
}
