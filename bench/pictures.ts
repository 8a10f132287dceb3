/** The images that the stand-in provider has, told apart by their width. 256 x 256 weighs what a small web image does. */
export const pictures = [
  { side: 256, bytes: 32_000 },
  { side: 1024, bytes: 1_000_000 },
] as const
