import { createHash } from 'node:crypto'
import { boundedMap } from './bounded-map.ts'
import { forbidden, insufficientCredits, unauthorized, type Refusal } from './refusal.ts'

/** API keys: any of the right shape is good, some have their fate in their name, each has a balance. */
export interface Keys {
  /** The key that a request carries, or why it may not come in. */
  admit(authorization: string | undefined): { key: string } | { refusal: Refusal }
  /** What is left of a key's balance, in nano-dollars. */
  balanceNano(key: string): number
  /** Takes a price off the balance ahead of the work; false where it does not suffice. */
  hold(key: string, nano: number): boolean
  giveBack(key: string, nano: number): void
  /** Sets the balance of one key, or of all that are and come. */
  setBalance(nano: number, key?: string): void
  setRevoked(key: string, revoked: boolean): void
}

const wellFormed = /^Bearer (rc_live_[A-Za-z0-9_]{8,})$/
const startBalanceNano = 1000 * 1_000_000_000
const keysMax = 10_000

export function createKeys(): Keys {
  const balances = boundedMap<number>(keysMax)
  const revoked = boundedMap<boolean>(keysMax)
  let startNano = startBalanceNano
  const balanceNano = (key: string) => balances.get(key) ?? (key.startsWith('rc_live_nocredit_') ? 0 : startNano)
  return {
    balanceNano,
    admit(authorization) {
      const key = wellFormed.exec(authorization ?? '')?.[1]
      if (key === undefined || key.startsWith('rc_live_revoked_') || revoked.get(key) === true)
        return { refusal: unauthorized() }
      if (key.startsWith('rc_live_forbidden_')) return { refusal: forbidden() }
      return { key }
    },
    hold(key, nano) {
      if (balanceNano(key) < nano) return false
      balances.set(key, balanceNano(key) - nano)
      return true
    },
    giveBack(key, nano) {
      balances.set(key, balanceNano(key) + nano)
    },
    setBalance(nano, key) {
      if (key !== undefined) balances.set(key, nano)
      else {
        balances.clear()
        startNano = nano
      }
    },
    setRevoked(key, isRevoked) {
      revoked.set(key, isRevoked)
    },
  }
}

/** Refuses a key without credit before anything is read of its request. */
export function checkCredit(keys: Keys, key: string): Refusal | undefined {
  return key.startsWith('rc_live_nocredit_') && keys.balanceNano(key) === 0 ? insufficientCredits() : undefined
}

/** How the ledger names a key: it never holds one. */
export function keyHash(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16)
}
