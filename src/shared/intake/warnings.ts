import type { ItemWarning } from './model-rules.ts'

/** One kind of warning, however many items it holds for. */
export interface BatchWarning extends ItemWarning {
  count: number
  /** `custom_id` of the first. */
  readonly example: string
}

const warningsMax = 100

/** Gathers the warnings of all items into at most 100. */
export function newWarnings(): {
  add(warnings: readonly ItemWarning[], customId: string): void
  all(): BatchWarning[]
} {
  const kinds = new Map<string, BatchWarning>()
  return {
    add(warnings, customId) {
      for (const { code, param } of warnings) {
        const known = kinds.get(`${code} ${param}`)
        if (known !== undefined) known.count += 1
        else if (kinds.size < warningsMax) kinds.set(`${code} ${param}`, { code, param, count: 1, example: customId })
      }
    },
    all: () => [...kinds.values()],
  }
}
