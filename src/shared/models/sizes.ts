/** Width and height in pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/**
 * What each aspect ratio gives. Runcrate documents none; 1:1 to 9:21 are those of the FLUX code that Replicate publishes
 * (github.com/replicate/cog-flux, predict.py), 4:3 and 3:4 and Ideogram's own ratios are unconfirmed.
 */
const sizes = {
  '1:1': [1024, 1024],
  '16:9': [1344, 768],
  '9:16': [768, 1344],
  '3:2': [1216, 832],
  '2:3': [832, 1216],
  '4:3': [1152, 896],
  '3:4': [896, 1152],
  '5:4': [1088, 896],
  '4:5': [896, 1088],
  '21:9': [1536, 640],
  '9:21': [640, 1536],
  '16:10': [1280, 800],
  '10:16': [800, 1280],
  '3:1': [1536, 512],
  '1:3': [512, 1536],
} as const satisfies Record<string, readonly [number, number]>

type AspectRatio = keyof typeof sizes

export const commonRatios = [
  '1:1',
  '16:9',
  '9:16',
  '3:2',
  '2:3',
  '4:3',
  '3:4',
  '5:4',
  '4:5',
  '21:9',
  '9:21',
] as const satisfies readonly AspectRatio[]

/** What a request asks for: an explicit size, else the aspect ratio's, else 1:1. */
export function outputSize(asked: {
  readonly width?: number | undefined
  readonly height?: number | undefined
  readonly aspect_ratio?: string | undefined
}): Size {
  const table: Readonly<Record<string, readonly [number, number]>> = sizes
  const [width, height] = table[asked.aspect_ratio ?? '1:1'] ?? sizes['1:1']
  return { width: asked.width ?? width, height: asked.height ?? height }
}

/** Megapixels as they are billed: begun ones count whole, 1024x1024 is one (FLUX.2's published price table). */
export function megapixels({ width, height }: Size): number {
  return Math.ceil((width * height) / 1_048_576)
}
