import { describe, expect, it } from 'vitest'
import { dependencies } from '../../../src/dev/debian-packages.ts'

describe('what apt-cache says that a package needs', () => {
  it('is read without who provides it, without virtual packages, and with the first of two alternatives', () => {
    const answer = [
      'redis-server',
      '  PreDepends: init-system-helpers',
      '  Depends: lsb-base',
      '    sysvinit-utils',
      '  Depends: redis-tools',
      'redis-tools',
      ' |Depends: libsystemd0',
      '  Depends: libelogind0',
      '  Depends: <awk>',
      '  Depends: libc6',
    ]
    expect(dependencies(answer.join('\n'))).toEqual([
      'init-system-helpers',
      'lsb-base',
      'redis-tools',
      'libsystemd0',
      'libc6',
    ])
  })
})
