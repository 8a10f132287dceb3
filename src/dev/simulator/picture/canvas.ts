import type { Contour } from './path.ts'

/** A picture of at most 256 colours. Edges are smooth: a mixed colour is put into the palette where one is needed. */
export interface Canvas {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
  readonly colours: number[]
  /** under, over and level to the index of the mixed colour */
  readonly mixed: Map<number, number>
}

/** Steps between two colours at an edge. */
const levels = 6

export function newCanvas(width: number, height: number, background: number): Canvas {
  return { width, height, pixels: new Uint8Array(width * height), colours: [background], mixed: new Map() }
}

/** The palette index of a colour (0xrrggbb), added where it is new; the nearest where the palette is full. */
export function ink(canvas: Canvas, colour: number): number {
  const found = canvas.colours.indexOf(colour)
  if (found !== -1) return found
  if (canvas.colours.length < 256) return canvas.colours.push(colour) - 1
  let nearest = 0
  for (const [index, other] of canvas.colours.entries())
    if (distance(other, colour) < distance(canvas.colours[nearest] as number, colour)) nearest = index
  return nearest
}

function distance(a: number, b: number): number {
  return (
    Math.abs((a >> 16) - (b >> 16)) + Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)) + Math.abs((a & 255) - (b & 255))
  )
}

/** `over` on `under`, `share` of 256 of it. */
export function mix(under: number, over: number, share: number): number {
  const channel = (shift: number) => {
    const from = (under >> shift) & 255
    return (from + ((((over >> shift) & 255) - from) * share) / 256) & 255
  }
  return (channel(16) << 16) | (channel(8) << 8) | channel(0)
}

function cover(canvas: Canvas, at: number, over: number, coverage: number): void {
  const level = Math.round(coverage * levels)
  if (level === 0) return
  if (level >= levels) {
    canvas.pixels[at] = over
    return
  }
  const under = canvas.pixels[at] as number
  const key = (under * 256 + over) * levels + level
  let index = canvas.mixed.get(key)
  if (index === undefined) {
    const [from, to] = [canvas.colours[under] as number, canvas.colours[over] as number]
    index = ink(canvas, mix(from, to, Math.round((level * 256) / levels)))
    canvas.mixed.set(key, index)
  }
  canvas.pixels[at] = index
}

/** By row, where the covered share changes and by how much: x, change, x, change, ... */
type Rows = Map<number, number[]>

/** Fills the first contour with a colour of the palette; further contours are holes in it. */
export function fill(canvas: Canvas, shape: readonly Contour[], colour: number): void {
  const rows: Rows = new Map()
  for (const [index, contour] of shape.entries()) {
    const sign = Math.sign(area(contour)) * (index === 0 ? 1 : -1)
    for (let at = 0; at < contour.length; at += 2) {
      const next = (at + 2) % contour.length
      const [x, y] = [contour[at] as number, contour[at + 1] as number]
      edge(canvas, rows, sign, x, y, contour[next] as number, contour[next + 1] as number)
    }
  }
  for (const [y, changes] of rows) fillRow(canvas, y, changes, colour)
}

function fillRow(canvas: Canvas, y: number, changes: number[], colour: number): void {
  sortByX(changes)
  const row = y * canvas.width
  let covered = 0
  let from = 0
  for (let at = 0; at < changes.length;) {
    const x = changes[at] as number
    if (covered > 0.999) canvas.pixels.fill(colour, row + from, row + x)
    else if (covered > 0.001)
      for (let between = from; between < x; between++) cover(canvas, row + between, colour, covered)
    for (; changes[at] === x; at += 2) covered += changes[at + 1] as number
    if (x >= canvas.width) return
    cover(canvas, row + x, colour, Math.min(1, Math.max(0, covered)))
    from = x + 1
  }
}

/** Insertion sort of the pairs: there are few in a row, and runs of them are in order already. */
function sortByX(changes: number[]): void {
  for (let at = 2; at < changes.length; at += 2) {
    const [x, change] = [changes[at] as number, changes[at + 1] as number]
    let to = at
    for (; to > 0 && (changes[to - 2] as number) > x; to -= 2) {
      changes[to] = changes[to - 2] as number
      changes[to + 1] = changes[to - 1] as number
    }
    changes[to] = x
    changes[to + 1] = change
  }
}

/**
 * Adds one edge to the rows that it crosses (the accumulation of font-rs, github.com/raphlinus/font-rs, kept sparse): what
 * lies right of it is covered by so much more, or less, as it goes down or up.
 */
function edge(canvas: Canvas, rows: Rows, sign: number, x0: number, y0: number, x1: number, y1: number): void {
  if (y0 === y1) return
  const direction = y0 < y1 ? sign : -sign
  const [topX, topY, bottomX, bottomY] = y0 < y1 ? [x0, y0, x1, y1] : [x1, y1, x0, y0]
  const slope = (bottomX - topX) / (bottomY - topY)
  const last = Math.min(canvas.height, Math.ceil(bottomY))
  for (let y = Math.max(0, Math.floor(topY)); y < last; y++) {
    const [from, to] = [Math.max(y, topY), Math.min(y + 1, bottomY)]
    const [a, b] = [topX + (from - topY) * slope, topX + (to - topY) * slope]
    let changes = rows.get(y)
    if (changes === undefined) {
      changes = []
      rows.set(y, changes)
    }
    crossing(changes, Math.min(a, b), Math.max(a, b), (to - from) * direction, canvas.width)
  }
}

/** One edge within one row, from `left` to `right`, of signed height `height`. */
function crossing(changes: number[], left: number, right: number, height: number, width: number): void {
  const last = Math.floor(right)
  for (let x = Math.floor(left); x <= last; x++) {
    const [from, to] = [Math.max(x, left), Math.min(x + 1, right)]
    const share = right === left ? height : (height * (to - from)) / (right - left)
    const inside = (from + to) / 2 - x
    const at = Math.min(width, Math.max(0, x))
    changes.push(at, share * (1 - inside), Math.min(width, Math.max(0, x + 1)), share * inside)
  }
}

function area(contour: Contour): number {
  let twice = 0
  for (let at = 0; at < contour.length; at += 2) {
    const next = (at + 2) % contour.length
    twice += (contour[next] as number) * (contour[at + 1] as number)
    twice -= (contour[at] as number) * (contour[next + 1] as number)
  }
  return twice
}

/** How much of each pixel something covers, 0 to 1. */
export interface Mask {
  readonly width: number
  readonly height: number
  readonly coverage: Float32Array
}

/** Draws a mask in a colour of the palette with its top left corner at x, y. */
export function stamp(canvas: Canvas, mask: Mask, x: number, y: number, colour: number): void {
  for (let row = Math.max(0, -y); row < mask.height && y + row < canvas.height; row++)
    for (let column = Math.max(0, -x); column < mask.width && x + column < canvas.width; column++) {
      const coverage = mask.coverage[row * mask.width + column] as number
      if (coverage > 0) cover(canvas, (y + row) * canvas.width + x + column, colour, coverage)
    }
}

/** How a pen of this radius covers the pixels round these lines: round ends, round joints. */
export function penMask(lines: readonly Contour[], radius: number, width: number, height: number): Mask {
  const coverage = new Float32Array(width * height)
  for (const line of lines)
    for (let at = 0; at + 3 < line.length; at += 2) {
      const [ax = 0, ay = 0, bx = 0, by = 0] = line.slice(at, at + 4)
      const reach = radius + 1
      const [dx, dy] = [bx - ax, by - ay]
      const squared = dx * dx + dy * dy
      const bottom = Math.min(height, Math.ceil(Math.max(ay, by) + reach))
      const right = Math.min(width, Math.ceil(Math.max(ax, bx) + reach))
      for (let y = Math.max(0, Math.floor(Math.min(ay, by) - reach)); y < bottom; y++)
        for (let x = Math.max(0, Math.floor(Math.min(ax, bx) - reach)); x < right; x++) {
          const [px, py] = [x + 0.5 - ax, y + 0.5 - ay]
          const t = squared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / squared))
          const [ox, oy] = [px - t * dx, py - t * dy]
          const covered = Math.min(1, Math.max(0, radius + 0.5 - Math.sqrt(ox * ox + oy * oy)))
          const index = y * width + x
          if (covered > (coverage[index] as number)) coverage[index] = covered
        }
    }
  return { width, height, coverage }
}
