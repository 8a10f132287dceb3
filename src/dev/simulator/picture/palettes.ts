/** The colours of one card, 0xrrggbb. */
export interface Palette {
  readonly wall: number
  readonly backdrop: number
  readonly floor: number
  readonly main: number
  readonly dark: number
  readonly light: number
  readonly accent: number
}

/** What is printed on every card. */
export const paper = 0xfffdf9
export const print = 0x23262f
export const faint = 0x7c7f88

export const palettes: readonly Palette[] = [
  {
    wall: 0xf3e3d3,
    backdrop: 0xe9c9ac,
    floor: 0xe3d0bd,
    main: 0x2f6f73,
    dark: 0x1f4b52,
    light: 0x6fa9a3,
    accent: 0xe2703a,
  },
  {
    wall: 0xdfe9e6,
    backdrop: 0xb9d3cb,
    floor: 0xcbdcd6,
    main: 0xe07a5f,
    dark: 0xb2533c,
    light: 0xf2b09b,
    accent: 0x3d405b,
  },
  {
    wall: 0xe6e4f2,
    backdrop: 0xc6c2e4,
    floor: 0xd3d0e8,
    main: 0x5b5f97,
    dark: 0x3d406e,
    light: 0x9a9dcf,
    accent: 0xffb84c,
  },
  {
    wall: 0xfbe9e2,
    backdrop: 0xf6cbbf,
    floor: 0xf0d8cd,
    main: 0x33415c,
    dark: 0x1f2a40,
    light: 0x7787a8,
    accent: 0xd1495b,
  },
  {
    wall: 0xeaf0dc,
    backdrop: 0xcddcaa,
    floor: 0xdae4c2,
    main: 0x9c4a3c,
    dark: 0x6f3027,
    light: 0xd08a78,
    accent: 0x4a6b3a,
  },
  {
    wall: 0xdcecf4,
    backdrop: 0xb2d6e8,
    floor: 0xc8dfea,
    main: 0xf2a65a,
    dark: 0xc97b30,
    light: 0xfbd19f,
    accent: 0x1d5c7f,
  },
  {
    wall: 0xf6ecd2,
    backdrop: 0xf0d58c,
    floor: 0xeadfba,
    main: 0x3c6e71,
    dark: 0x284b4e,
    light: 0x83aeb0,
    accent: 0xb23a48,
  },
  {
    wall: 0xf1dfe6,
    backdrop: 0xdfb4c6,
    floor: 0xe4cad5,
    main: 0x6d3b5e,
    dark: 0x4a2440,
    light: 0xa9769a,
    accent: 0xf29e4c,
  },
  {
    wall: 0x2e3444,
    backdrop: 0x414a60,
    floor: 0x252a38,
    main: 0xe9c46a,
    dark: 0xb8913c,
    light: 0xf6e3b0,
    accent: 0x6fc3b2,
  },
  {
    wall: 0x234048,
    backdrop: 0x305862,
    floor: 0x1b333a,
    main: 0xf4a698,
    dark: 0xc87363,
    light: 0xfbd6cd,
    accent: 0xf6e27f,
  },
  {
    wall: 0x3a2e43,
    backdrop: 0x523f60,
    floor: 0x2f2537,
    main: 0x8fc9c0,
    dark: 0x5c9991,
    light: 0xcbe9e4,
    accent: 0xf2b05e,
  },
  {
    wall: 0xe8e6e1,
    backdrop: 0xd0ccc2,
    floor: 0xd9d6ce,
    main: 0x3a3f47,
    dark: 0x23272d,
    light: 0x868c95,
    accent: 0xc8553d,
  },
  {
    wall: 0xd9efe6,
    backdrop: 0xa6dcc6,
    floor: 0xc2e4d6,
    main: 0x274c77,
    dark: 0x17324f,
    light: 0x7fa1c8,
    accent: 0xf45b69,
  },
  {
    wall: 0xfde8c9,
    backdrop: 0xfac98a,
    floor: 0xf4d9b0,
    main: 0x7a4b8f,
    dark: 0x55306a,
    light: 0xb48cc6,
    accent: 0x1f8a85,
  },
  {
    wall: 0xe2ebf7,
    backdrop: 0xbcd0ee,
    floor: 0xcedbf0,
    main: 0xc44536,
    dark: 0x8e2c20,
    light: 0xe89288,
    accent: 0x283d7a,
  },
  {
    wall: 0xe9e2d6,
    backdrop: 0xcfbfa3,
    floor: 0xdbcfbb,
    main: 0x5a7d3c,
    dark: 0x3d5826,
    light: 0x9dbb80,
    accent: 0xd9803f,
  },
]
