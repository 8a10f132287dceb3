const messageLengthMax = 500

/**
 * Text of the provider's, fit to be shown and kept: one line, at most 500 characters, without keys and without what looks
 * like image data. `secret` is cut out wherever it stands.
 */
export function plainSentence(text: string, secret?: string): string {
  const open = secret === undefined || secret === '' ? text : text.replaceAll(secret, '[key]')
  const clean = open
    .slice(0, 10_000)
    .replace(/rc_live_[A-Za-z0-9_*.-]*/g, '[key]')
    .replace(/(data:[^,\s]{0,100},)?[A-Za-z0-9+/_=-]{100,}/g, '[data]')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
  return clean.length <= messageLengthMax ? clean : `${clean.slice(0, messageLengthMax - 1)}…`
}
