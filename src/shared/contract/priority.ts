/** The class of a batch. Order is the order in which slots go out. */
export const priorities = ['interactive', 'standard', 'bulk'] as const
export type Priority = (typeof priorities)[number]
