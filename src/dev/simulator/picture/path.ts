/** A line through points: x, y, x, y, ... */
export type Contour = readonly number[]

/** Where a path's own units go on the canvas; `mirror` turns it round its own middle (x = 50 of 100). */
export interface Placement {
  readonly x: number
  readonly y: number
  readonly scale: number
  readonly mirror?: boolean
}

/**
 * The contours of an SVG path of absolute `M L C Z` commands (w3.org/TR/SVG2/paths.html), curves as short lines.
 * Only sums and products, so that every machine gets the same numbers.
 */
export function contours(path: string, place: Placement): Contour[] {
  const found: number[][] = []
  let current: number[] = []
  for (const [, command = '', text = ''] of path.matchAll(/([MLCZ])([^MLCZ]*)/g)) {
    const numbers = text.match(/-?[0-9]*\.?[0-9]+/g)?.map(Number) ?? []
    const points = numbers.map((value, index) => onCanvas(value, index % 2 === 0, place))
    if (command === 'M') {
      current = []
      found.push(current)
    }
    if (command === 'C') curves(current, points)
    else if (command === 'Z') current.push(current[0] ?? 0, current[1] ?? 0)
    else current.push(...points)
  }
  return found
}

function onCanvas(value: number, isX: boolean, place: Placement): number {
  if (!isX) return place.y + value * place.scale
  return place.x + (place.mirror === true ? 100 - value : value) * place.scale
}

/** Adds cubic curves to the line, each as so many steps as its length asks for. */
function curves(line: number[], points: readonly number[]): void {
  for (let at = 0; at + 5 < points.length; at += 6) {
    const [ax = 0, ay = 0] = line.slice(-2)
    const [bx = 0, by = 0, cx = 0, cy = 0, dx = 0, dy = 0] = points.slice(at, at + 6)
    const length = Math.abs(bx - ax) + Math.abs(by - ay) + Math.abs(cx - bx) + Math.abs(cy - by) + Math.abs(dx - cx)
    const steps = Math.max(5, Math.min(40, Math.ceil(Math.sqrt(length + Math.abs(dy - cy)) * 1.2)))
    for (let step = 1; step <= steps; step++) {
      const t = step / steps
      const u = 1 - t
      const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t]
      line.push(a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy)
    }
  }
}

/** How far the handles of a quarter circle stand out, in radii. */
const round = 0.5523

export function ellipse(x: number, y: number, rx: number, ry: number): string {
  const [kx, ky] = [rx * round, ry * round]
  return (
    `M${String(x - rx)} ${String(y)}` +
    `C${[x - rx, y - ky, x - kx, y - ry, x, y - ry].join(' ')}` +
    `C${[x + kx, y - ry, x + rx, y - ky, x + rx, y].join(' ')}` +
    `C${[x + rx, y + ky, x + kx, y + ry, x, y + ry].join(' ')}` +
    `C${[x - kx, y + ry, x - rx, y + ky, x - rx, y].join(' ')}Z`
  )
}

/** A box with rounded corners. */
export function box(x: number, y: number, width: number, height: number, radius: number): string {
  const [r, k] = [radius, radius * (1 - round)]
  const [right, bottom] = [x + width, y + height]
  return (
    `M${String(x + r)} ${String(y)}L${String(right - r)} ${String(y)}` +
    `C${[right - k, y, right, y + k, right, y + r].join(' ')}L${String(right)} ${String(bottom - r)}` +
    `C${[right, bottom - k, right - k, bottom, right - r, bottom].join(' ')}L${String(x + r)} ${String(bottom)}` +
    `C${[x + k, bottom, x, bottom - k, x, bottom - r].join(' ')}L${String(x)} ${String(y + r)}` +
    `C${[x, y + k, x + k, y, x + r, y].join(' ')}Z`
  )
}
