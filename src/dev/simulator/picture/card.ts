import { fill, ink, mix, newCanvas, type Canvas } from './canvas.ts'
import { lineHeight, textWidth, wrap, write, type Pen } from './letters.ts'
import { faint, palettes, paper, print, type Palette } from './palettes.ts'
import { box, contours, ellipse, type Placement } from './path.ts'
import { productNamed, products } from './products.ts'

export interface CardText {
  readonly model: string
  readonly prompt: string
  readonly seed: number
}

const promptLettersMax = 160

/** Draws a product card: a scene that follows from the digest, below it what was asked for. */
export function drawCard(width: number, height: number, digest: string, text: CardText): Canvas {
  const look = Buffer.from(digest, 'hex')
  const palette = palettes[look.readUInt8(0) % palettes.length] as Palette
  const canvas = newCanvas(width, height, paper)
  const margin = Math.round(Math.min(width, height) * 0.04)
  const caption = layCaption(canvas, text, margin)
  const scene = {
    x: margin,
    y: margin,
    width: width - 2 * margin,
    height: height - caption.height - 2 * margin,
    corner: margin * 0.8,
  }
  // The caption first: should the palette run full, it is a scene's edge that gets the nearest colour.
  caption.draw(palette)
  if (scene.height > margin) drawScene(canvas, scene, palette, look, text.prompt)
  return canvas
}

/** The lines under the scene, and how high they are. */
function layCaption(canvas: Canvas, text: CardText, margin: number) {
  const size = Math.sqrt(canvas.width * canvas.height)
  const width = canvas.width - 2 * margin
  const bold: Pen = { unit: Math.max(1.4, Math.round(size / 31) / 8), radius: 0.5 }
  const plain: Pen = { unit: Math.max(1.25, Math.round(size / 42) / 8), radius: 0.42 }
  const shown = text.prompt.replace(/\[\[sim:[^\]]*\]\]/g, '').trim()
  const prompt = wrap(shown.length > promptLettersMax ? `${shown.slice(0, promptLettersMax - 1)}…` : shown, width, bold)
  const numbers = `seed ${String(text.seed)}   ${String(canvas.width)}×${String(canvas.height)}`
  const oneRow = textWidth(`${text.model}   ${numbers}`, plain) <= width
  const models = oneRow ? [text.model] : wrap(text.model, width, plain)
  const gap = Math.round(margin * 0.4)
  const rows = models.length + (oneRow ? 0 : 1)
  const height = prompt.length * lineHeight(bold) + gap + rows * lineHeight(plain) + gap
  return {
    height,
    draw(palette: Palette) {
      let y = canvas.height - height - Math.round(margin * 0.25)
      for (const line of prompt) {
        write(canvas, line, { x: margin, y }, bold, ink(canvas, print))
        y += lineHeight(bold)
      }
      y += gap
      for (const line of models) {
        write(canvas, line, { x: margin, y }, plain, ink(canvas, readable(palette)))
        y += lineHeight(plain)
      }
      if (oneRow) y -= lineHeight(plain)
      const x = oneRow ? canvas.width - margin - textWidth(numbers, plain) : margin
      write(canvas, numbers, { x, y }, plain, ink(canvas, faint))
    },
  }
}

/** The palette's accent, darkened until it reads on paper. */
function readable({ accent }: Palette): number {
  const light = ((accent >> 16) * 3 + ((accent >> 8) & 255) * 6 + (accent & 255)) / 10
  return light > 120 ? mix(accent, print, (light - 120) * 1.6) : accent
}

interface Scene {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly corner: number
}

function drawScene(canvas: Canvas, scene: Scene, palette: Palette, look: Buffer, prompt: string): void {
  const at = (index: number, count: number) => look.readUInt8(index) % count
  const paint = (path: string, colour: number, place: Placement = { x: 0, y: 0, scale: 1 }) => {
    fill(canvas, contours(path, place), ink(canvas, colour))
  }
  const { x, y, width, height } = scene
  const size = Math.min(width, height) * 0.74
  const ground = y + height * 0.5 + size * 0.46
  const middle = x + width / 2 + ((at(1, 9) - 4) * width) / 100
  paint(box(x, y, width, height, scene.corner), palette.wall)
  drawBackdrop(scene, palette, at(2, 6), middle, ground, size, paint)
  const floor = Math.min(ground - size * 0.09, y + height - scene.corner)
  paint(floorPath(scene, floor), palette.floor)
  const product = productNamed(prompt) ?? products[at(3, products.length)]
  if (product === undefined) return
  const place = { x: middle - size / 2, y: ground - size * 0.96, scale: size / 100, mirror: at(4, 2) === 1 }
  if (product.shadow > 0) {
    const reach = (product.shadow * size) / 100
    paint(ellipse(middle, ground, reach * 1.12, size * 0.045), mix(palette.floor, 0x10131a, 34))
    paint(ellipse(middle, ground, reach * 0.94, size * 0.028), mix(palette.floor, 0x10131a, 84))
  }
  const swapped = at(5, 2) === 1
  const tones = {
    main: swapped ? palette.accent : palette.main,
    dark: swapped ? mix(palette.accent, 0x10131a, 80) : palette.dark,
    light: swapped ? mix(palette.accent, 0xffffff, 110) : palette.light,
    accent: swapped ? palette.main : palette.accent,
    white: 0xfdfbf6,
  }
  for (const [tone, path] of product.shapes) paint(path, tones[tone], place)
  drawMark(scene, tones.main, tones.accent, look, paint)
}

/** The floor: the scene's lower part, with its round corners. */
function floorPath(scene: Scene, floor: number): string {
  const { x, width } = scene
  const [right, bottom, r] = [x + width, scene.y + scene.height, scene.corner]
  const k = r * 0.4477
  return (
    `M${[x, floor].join(' ')}L${[right, floor].join(' ')}L${[right, bottom - r].join(' ')}` +
    `C${[right, bottom - k, right - k, bottom, right - r, bottom].join(' ')}L${[x + r, bottom].join(' ')}` +
    `C${[x + k, bottom, x, bottom - k, x, bottom - r].join(' ')}Z`
  )
}

type Paint = (path: string, colour: number) => void

/** One of six quiet shapes behind the product. */
function drawBackdrop(
  scene: Scene,
  palette: Palette,
  kind: number,
  middle: number,
  ground: number,
  size: number,
  paint: Paint,
): void {
  const soft = mix(palette.wall, palette.backdrop, 128)
  const centre = ground - size * 0.5
  if (kind === 0) paint(ellipse(middle, centre, size * 0.5, size * 0.5), palette.backdrop)
  if (kind === 1) {
    paint(ellipse(middle, centre, size * 0.56, size * 0.56), soft)
    paint(ellipse(middle, centre, size * 0.4, size * 0.4), palette.backdrop)
  }
  if (kind === 2)
    paint(box(middle - size * 0.42, ground - size * 1.04, size * 0.84, size * 1.1, size * 0.42), palette.backdrop)
  if (kind === 3) {
    paint(box(middle - size * 0.5, ground - size * 0.92, size * 0.5, size, size * 0.25), soft)
    paint(box(middle - size * 0.06, ground - size * 1.04, size * 0.56, size * 1.1, size * 0.28), palette.backdrop)
  }
  if (kind === 4)
    for (let stripe = -3; stripe <= 3; stripe++)
      paint(
        box(
          middle + stripe * size * 0.16 - size * 0.05,
          scene.y + scene.height * 0.1,
          size * 0.1,
          ground - scene.y,
          size * 0.05,
        ),
        stripe % 2 === 0 ? palette.backdrop : soft,
      )
  if (kind === 5) {
    paint(ellipse(middle - size * 0.28, centre - size * 0.16, size * 0.3, size * 0.3), palette.backdrop)
    paint(ellipse(middle + size * 0.3, centre + size * 0.14, size * 0.36, size * 0.36), soft)
  }
}

/** Six dots in the corner, full or empty by the digest: no two requests look quite the same. */
function drawMark(scene: Scene, main: number, accent: number, look: Buffer, paint: Paint): void {
  const radius = Math.min(scene.width, scene.height) * 0.012
  for (let dot = 0; dot < 6; dot++) {
    const bits = look.readUInt8(6 + dot)
    const [x, y] = [scene.x + scene.width - radius * (4 + (5 - dot) * 3), scene.y + radius * 4]
    const hole = (bits & 2) === 0 ? ellipse(x, y, radius * 0.5, radius * 0.5) : ''
    paint(ellipse(x, y, radius, radius) + hole, (bits & 1) === 0 ? main : accent)
  }
}
