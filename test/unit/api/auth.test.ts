import { describe, expect, it } from 'vitest'
import { authenticate } from '../../../src/api/auth.ts'

const apiKey = 'cw_0123456789abcdef0123456789abcdef'

describe('authenticate', () => {
  it('knows the key of the environment: tenant default, all scopes', () => {
    const caller = { tenant: 'default', scopes: ['submit', 'read', 'webhooks', 'admin'] }
    expect(authenticate({ apiKey }, `Bearer ${apiKey}`, 'submit')).toEqual(caller)
    expect(authenticate({ apiKey }, `bearer  ${apiKey} `, 'admin')).toEqual(caller)
  })

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    apiKey,
    `Basic ${apiKey}`,
    `Bearer ${apiKey}x`,
    `Bearer ${apiKey.slice(0, -1)}`,
    `Bearer ${apiKey} ${apiKey}`,
    `Bearer ${apiKey.toUpperCase()}`,
  ])('refuses %j', (header) => {
    expect(() => authenticate({ apiKey }, header, 'read')).toThrow(expect.objectContaining({ status: 401 }))
  })

  it('lets nobody in where no key is configured', () => {
    expect(() => authenticate({ apiKey: '' }, 'Bearer ', 'read')).toThrow(expect.objectContaining({ status: 401 }))
  })
})
