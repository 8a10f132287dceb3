import { box, ellipse } from './path.ts'

/** A colour of the palette, or white. */
export type Tone = 'main' | 'dark' | 'light' | 'accent' | 'white'

/** A product as flat shapes in a square of 100 x 100, standing on y = 96; drawn in order. */
export interface Product {
  /** Words of a prompt that ask for it. */
  readonly words: readonly string[]
  /** How far its shadow reaches to each side of the middle; 0 for none. */
  readonly shadow: number
  readonly shapes: readonly (readonly [Tone, string])[]
}

export const products: readonly Product[] = [
  {
    words: ['shoe', 'sneaker', 'trainer', 'boot'],
    shadow: 47,
    shapes: [
      ['light', 'M11 47C13 41 20 40 24 44L31 50L20 62L10 60Z'],
      [
        'main',
        'M10 56C14 60 22 58 28 50C32 45 38 42 43 44C50 53 60 60 72 64C86 68 96 70 96 80L96 84L6 84C5 74 6 64 10 56Z',
      ],
      ['dark', 'M10 56C14 60 22 58 28 50L33 46C34 58 30 70 18 84L6 84C5 74 6 64 10 56Z'],
      ['accent', 'M36 84C46 82 56 76 62 60L72 64C68 74 60 81 52 84Z'],
      ['light', 'M78 66C88 69 96 71 96 80L96 84L76 84C74 78 74 72 78 66Z'],
      ['white', 'M43 50C47 47 50 46 52 46L54 48.4C51 49 48 50.6 45.4 53Z'],
      ['white', 'M49 56C53 52 56 51 59 50.6L61 53C57 53.6 54 55.6 51.6 58.4Z'],
      ['white', 'M56 61C59 57.4 62 55.6 65.6 55L67.6 57C64 58 61 60 58.8 63Z'],
      [
        'white',
        'M4 83C4 82 5 81.6 6 81.6L96 81.6C98 81.6 99 83 98.6 85L97.4 91C96.6 94.4 94 96 90 96L14 96C7 96 4 91 4 83Z',
      ],
      ['dark', 'M6 91.5L97 91.5C96 94.6 93.6 96 90 96L14 96C10 96 7.4 94.4 6 91.5Z'],
    ],
  },
  {
    words: ['backpack', 'rucksack'],
    shadow: 36,
    shapes: [
      ['dark', `${ellipse(50, 13, 12, 10)}${ellipse(50, 13, 7.4, 5.8)}`],
      ['dark', box(14, 52, 12, 36, 6)],
      ['dark', box(74, 52, 12, 36, 6)],
      ['main', 'M20 40C20 20 32 10 50 10C68 10 80 20 80 40L80 86C80 92 76 96 70 96L30 96C24 96 20 92 20 86Z'],
      ['light', 'M27 40C27 25 36 17 50 17C64 17 73 25 73 40L73 46L27 46Z'],
      ['dark', box(24, 43.6, 52, 3.6, 1.8)],
      ['dark', box(28, 56, 44, 33, 7)],
      ['main', box(30, 58, 40, 29, 5.4)],
      ['accent', box(30, 64, 40, 4, 1)],
      ['white', box(46, 63, 8, 11, 2.4)],
      ['accent', box(44, 26, 12, 8, 2)],
      ['white', box(64, 44.4, 2.6, 10, 1.3)],
    ],
  },
  {
    words: ['watch', 'wristwatch', 'smartwatch'],
    shadow: 26,
    shapes: [
      ['dark', 'M37 4L63 4C65 4 66 5 66 7L69 34L31 34L34 7C34 5 35 4 37 4Z'],
      ['dark', 'M31 66L69 66L66 93C66 95 65 96 63 96L37 96C35 96 34 95 34 93Z'],
      ['main', 'M40 4L60 4L62 32L38 32Z'],
      ['main', 'M38 68L62 68L60 96L40 96Z'],
      ['dark', box(80, 45, 7, 10, 2.4)],
      ['light', ellipse(50, 50, 32, 32)],
      ['dark', ellipse(50, 50, 28, 28)],
      ['white', ellipse(50, 50, 25, 25)],
      ['dark', box(49, 27.5, 2, 6, 1)],
      ['dark', box(49, 66.5, 2, 6, 1)],
      ['dark', box(27.5, 49, 6, 2, 1)],
      ['dark', box(66.5, 49, 6, 2, 1)],
      ['light', `${ellipse(50, 60.5, 5.4, 5.4)}${ellipse(50, 60.5, 4.2, 4.2)}`],
      ['main', 'M48.8 52L48.8 36C48.8 34.4 51.2 34.4 51.2 36L51.2 52Z'],
      ['main', 'M49.4 48.4L60.4 41.6C62 40.8 63.2 42.8 61.8 43.8L50.8 51.4Z'],
      ['accent', 'M51 51.2L37.6 60.4L36.8 59.4L49.4 49.2Z'],
      ['accent', ellipse(50, 50, 2.6, 2.6)],
    ],
  },
  {
    words: ['sunglasses', 'glasses', 'eyewear'],
    shadow: 46,
    shapes: [
      ['dark', 'M10 52C12 44 20 36 32 34L34 37C24 40 17 46 15 54Z'],
      ['dark', 'M90 52C88 44 80 36 68 34L66 37C76 40 83 46 85 54Z'],
      [
        'main',
        'M4 52C4 49 6 48 10 48L40 48C44 48 47 49.4 50 49.4C53 49.4 56 48 60 48L90 48C94 48 96 49 96 52C96 56 94 56 93 60C91 78 84 88 72 88C60 88 55 78 53.4 64C53 59.6 52 58.4 50 58.4C48 58.4 47 59.6 46.6 64C45 78 40 88 28 88C16 88 9 78 7 60C6 56 4 56 4 52Z',
      ],
      ['dark', 'M11 54C11 52.6 12 52 14 52L39 52C42 52 43 53 42.8 56C42 74 37 83.4 28 83.4C18 83.4 11.6 74 11 54Z'],
      ['dark', 'M89 54C89 52.6 88 52 86 52L61 52C58 52 57 53 57.2 56C58 74 63 83.4 72 83.4C82 83.4 88.4 74 89 54Z'],
      ['light', 'M16 54.4L26 54.4L18.6 71C16.6 66 15.8 60 16 54.4Z'],
      ['light', 'M30 54.4L34 54.4L22.6 78.4C21.6 77.6 20.8 76.4 20 75Z'],
      ['light', 'M62 54.4L72 54.4L64.2 71C62.6 66 61.8 60 62 54.4Z'],
      ['light', 'M76 54.4L80 54.4L68.4 79C67.2 78.2 66.4 77.2 65.8 76Z'],
      ['accent', box(6.4, 50.4, 4.4, 2.6, 1.3)],
      ['accent', box(89.2, 50.4, 4.4, 2.6, 1.3)],
    ],
  },
  {
    words: ['headphones', 'headphone', 'headset'],
    shadow: 36,
    shapes: [
      ['dark', 'M13 62C10 30 26 8 50 8C74 8 90 30 87 62L81 62C82 34 70 15 50 15C30 15 18 34 19 62Z'],
      ['main', 'M25 22C32 12 40 8 50 8C60 8 68 12 75 22L70 26C65 18 58 15 50 15C42 15 35 18 30 26Z'],
      ['light', box(22, 52, 11, 40, 5.5)],
      ['light', box(67, 52, 11, 40, 5.5)],
      ['dark', box(27, 55, 7, 34, 3.5)],
      ['dark', box(66, 55, 7, 34, 3.5)],
      ['main', box(9, 50, 18, 44, 9)],
      ['main', box(73, 50, 18, 44, 9)],
      ['accent', box(14, 61, 4, 22, 2)],
      ['accent', box(82, 61, 4, 22, 2)],
      ['white', ellipse(22, 88, 1.4, 1.4)],
    ],
  },
  {
    words: ['earbuds', 'earbud', 'earphones'],
    shadow: 36,
    shapes: [
      ['dark', box(14, 40, 72, 56, 24)],
      ['main', box(14, 52, 72, 44, 22)],
      ['light', 'M26 52L74 52L74 56C74 60 71 62 68 62L32 62C29 62 26 60 26 56Z'],
      ['white', ellipse(36, 28, 11, 12)],
      ['white', ellipse(64, 28, 11, 12)],
      ['white', box(37, 28, 8, 30, 4)],
      ['white', box(55, 28, 8, 30, 4)],
      ['dark', ellipse(33, 27, 4.4, 5.6)],
      ['dark', ellipse(67, 27, 4.4, 5.6)],
      ['accent', ellipse(50, 76, 2.6, 2.6)],
    ],
  },
  {
    words: ['bottle', 'perfume', 'flask', 'serum'],
    shadow: 24,
    shapes: [
      ['accent', box(41, 4, 18, 15, 2.4)],
      ['dark', box(43.4, 17, 13.2, 9, 1)],
      [
        'main',
        'M43 24L57 24C57 32 76 34 76 48L76 90C76 94 74 96 70 96L30 96C26 96 24 94 24 90L24 48C24 34 43 32 43 24Z',
      ],
      ['light', 'M31 47C32 41 37 39 41 36.4L41 91L35 91C32.4 91 31 89.6 31 87Z'],
      ['white', box(38, 55, 38, 26, 0.6)],
      ['dark', box(44, 61, 22, 2.6, 1.3)],
      ['accent', box(44, 67, 16, 2, 1)],
      ['accent', box(44, 71.6, 19, 2, 1)],
    ],
  },
  {
    words: ['mug', 'cup', 'coffee', 'teacup'],
    shadow: 34,
    shapes: [
      ['light', 'M38 12C34 18 44 22 40 30L43.4 30C48 22 38 18 41.4 12Z'],
      ['light', 'M52 8C48 15 58 20 54 30L57.4 30C62 20 52 15 55.4 8Z'],
      ['dark', `${ellipse(76, 63, 18, 18)}${ellipse(76, 63, 11, 11)}`],
      ['main', 'M18 36L78 36L78 82C78 91 73 96 64 96L32 96C23 96 18 91 18 82Z'],
      ['dark', ellipse(48, 36, 30, 6)],
      ['accent', ellipse(48, 37, 26, 4)],
      ['light', box(25, 48, 6, 34, 3)],
      ['white', 'M48 60C44 54 36 58 39 65C41 70 48 75 48 75C48 75 55 70 57 65C60 58 52 54 48 60Z'],
    ],
  },
  {
    words: ['lamp', 'lampshade'],
    shadow: 24,
    shapes: [
      ['dark', box(47.6, 40, 4.8, 52, 2)],
      ['main', 'M30 96C30 90 38 88 50 88C62 88 70 90 70 96Z'],
      ['accent', ellipse(50, 50, 6, 7)],
      ['light', 'M37 8L63 8L82 50L18 50Z'],
      ['main', 'M37 8L52 8L50 50L18 50Z'],
      ['dark', box(17, 48.6, 66, 3.4, 1.7)],
      ['dark', box(36, 6.4, 28, 3, 1.5)],
      ['accent', ellipse(64, 69, 1.8, 1.8)],
      ['dark', box(63.4, 51, 1.2, 17, 0.6)],
    ],
  },
  {
    words: ['chair', 'armchair', 'stool', 'sofa'],
    shadow: 38,
    shapes: [
      ['accent', 'M24 76L30 76L26 96L21.6 96Z'],
      ['accent', 'M76 76L70 76L74 96L78.4 96Z'],
      ['main', box(23, 12, 54, 66, 16)],
      ['light', box(30, 19, 40, 38, 10)],
      ['dark', box(12, 42, 17, 40, 8)],
      ['dark', box(71, 42, 17, 40, 8)],
      ['main', box(26, 54, 48, 18, 7)],
      ['dark', box(26, 69, 48, 13, 4)],
      ['white', ellipse(50, 38, 1.8, 1.8)],
    ],
  },
  {
    words: ['plant', 'vase', 'pot', 'planter'],
    shadow: 26,
    shapes: [
      ['dark', 'M49 62C46 46 34 38 18 38C20 54 32 64 49 66Z'],
      ['light', 'M51 62C54 44 66 32 84 32C83 50 70 63 51 66Z'],
      ['main', 'M50 64C40 48 40 22 51 4C63 22 62 48 52 64Z'],
      ['dark', 'M50.4 64L50.6 20L51.8 20L52 64Z'],
      ['accent', 'M27 60L73 60L67 91C66.4 94.6 64.4 96 61 96L39 96C35.6 96 33.6 94.6 33 91Z'],
      ['dark', box(24, 56, 52, 9, 3)],
      ['white', 'M35 70L39 70L42 90L38.6 90Z'],
    ],
  },
  {
    words: ['handbag', 'bag', 'tote', 'purse'],
    shadow: 36,
    shapes: [
      ['dark', `${ellipse(50, 34, 20, 26)}${ellipse(50, 34, 15.6, 21.6)}`],
      [
        'main',
        'M20 36L80 36C83 36 85 37.4 85.4 40L90 88C90.6 93 88 96 83 96L17 96C12 96 9.4 93 10 88L14.6 40C15 37.4 17 36 20 36Z',
      ],
      ['dark', 'M14.6 40C15 37.4 17 36 20 36L80 36C83 36 85 37.4 85.4 40L86.4 52C72 62 28 62 13.6 52Z'],
      ['accent', box(43, 54, 14, 11, 2.4)],
      ['white', box(48.6, 57.6, 2.8, 4.4, 1.4)],
      ['light', box(18, 86, 64, 2, 1)],
    ],
  },
  {
    words: ['camera', 'lens'],
    shadow: 42,
    shapes: [
      ['dark', 'M36 30L40 20C41 18 42 17 44 17L60 17C62 17 63 18 64 20L68 30Z'],
      ['accent', box(15, 27, 13, 7, 2)],
      ['main', box(7, 31, 86, 65, 9)],
      ['dark', box(7, 47, 86, 33, 0.5)],
      ['light', ellipse(50, 63, 27, 27)],
      ['dark', ellipse(50, 63, 22.6, 22.6)],
      ['main', ellipse(50, 63, 17, 17)],
      ['dark', ellipse(50, 63, 11.6, 11.6)],
      ['white', ellipse(44.6, 57.4, 3.8, 3.8)],
      ['light', ellipse(54.6, 68, 2.2, 2.2)],
      ['white', box(74, 36, 12, 6.4, 2)],
      ['accent', ellipse(16, 40, 2.4, 2.4)],
    ],
  },
  {
    words: ['jar', 'candle', 'cream'],
    shadow: 32,
    shapes: [
      ['dark', box(25, 20, 50, 20, 4)],
      ['accent', box(25, 28, 50, 3, 0.5)],
      ['main', box(18, 38, 64, 58, 12)],
      ['light', box(24, 45, 6, 42, 3)],
      ['white', box(34, 52, 40, 30, 3)],
      ['accent', ellipse(54, 61, 4.4, 4.4)],
      ['dark', box(44, 69, 20, 2.4, 1.2)],
      ['light', box(47, 74, 14, 2, 1)],
    ],
  },
  {
    words: ['shirt', 't-shirt', 'tshirt', 'tee', 'hoodie', 'sweater'],
    shadow: 0,
    shapes: [
      [
        'main',
        'M36 12C40 20 60 20 64 12L82 19C85 20 87 22 88 25L97 46L82 54L78 46L78 92C78 95 77 96 74 96L26 96C23 96 22 95 22 92L22 46L18 54L3 46L12 25C13 22 15 20 18 19Z',
      ],
      ['dark', 'M36 12C40 20 60 20 64 12L67 13.2C62 25 38 25 33 13.2Z'],
      ['dark', 'M22 46L25.4 36L25.4 96C23 96 22 95 22 92Z'],
      ['dark', 'M78 46L74.6 36L74.6 96C77 96 78 95 78 92Z'],
      ['accent', ellipse(50, 50, 12, 12)],
      ['white', 'M38.4 53L50 44L61.6 53C60 58.6 55.4 62 50 62C44.6 62 40 58.6 38.4 53Z'],
    ],
  },
]

/** The product that a prompt names: the last one in its first phrase that names any ("A laptop backpack, ..."). */
export function productNamed(prompt: string): Product | undefined {
  for (const phrase of prompt.toLowerCase().split(/[,.;:]/)) {
    const words = phrase.match(/[a-z-]+/g) ?? []
    const named = words.map((word) =>
      products.find(({ words: own }) => own.includes(word) || own.some((one) => `${one}s` === word)),
    )
    const last = named.findLast((product) => product !== undefined)
    if (last !== undefined) return last
  }
  return undefined
}
