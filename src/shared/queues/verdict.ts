/** What shall happen next with a job, as a stage returns it. `consume.ts` tells the engine; nobody else knows its verbs. */
export type Verdict =
  | { readonly kind: 'done' }
  /** Come again after this, with other data where `data` is given. */
  | { readonly kind: 'again'; readonly afterMs: number; readonly data?: object }

export const done: Verdict = { kind: 'done' }

export function again(afterMs: number, data?: object): Verdict {
  return { kind: 'again', afterMs, ...(data === undefined ? {} : { data }) }
}
