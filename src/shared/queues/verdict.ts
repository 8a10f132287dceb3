/** What shall happen next with a job, as a stage returns it. `consume.ts` tells the engine; nobody else knows its verbs. */
export type Verdict =
  | { readonly kind: 'done' }
  /** Come again after this; waiting is no attempt. */
  | { readonly kind: 'again'; readonly afterMs: number }

export const done: Verdict = { kind: 'done' }

export function again(afterMs: number): Verdict {
  return { kind: 'again', afterMs }
}
