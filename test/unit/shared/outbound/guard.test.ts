import { describe, expect, it } from 'vitest'
import { addressFault, checkUrl, urlFault } from '../../../../src/shared/outbound/guard.ts'

const strict = { allowHttp: false, allowPrivate: false }
const open = { allowHttp: true, allowPrivate: true }

// Loopback, private, link-local, metadata services, and what else is not the public internet.
const loopback = ['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1']
const local = ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', 'fd12:3456::1', 'fc00::1']
const never = [
  '0.0.0.0', '0.1.2.3', '169.254.169.254', '168.63.129.16', '100.100.100.200', 'fd00:ec2::254', '224.0.0.1',
  '255.255.255.255', '240.0.0.1', '192.0.2.1', '198.18.0.1', '192.88.99.1', '::', 'fe80::1', 'ff02::1', '::127.0.0.1',
  '::8.8.8.8', '::7f00:1', 'fe80::1%eth0', '::2', '64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001:0:1::1', '2001:db8::1', '4000::1',
  'fec0::1', '::ffff:169.254.169.254',
] // prettier-ignore
const publicOnes = ['1.1.1.1', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8']

describe('addressFault', () => {
  it.each(publicOnes)('lets the public address %s pass everywhere', (address) => {
    expect(addressFault(address, 'public')).toBeUndefined()
    expect(addressFault(address, 'private')).toBeUndefined()
  })

  it.each([...loopback, ...local])('opens %s to private reach alone, and says what would allow it', (address) => {
    expect(addressFault(address, 'public')).toMatchObject({ reason: 'forbidden_address', allowedBy: 'allowPrivate' })
    expect(addressFault(address, 'private')).toBeUndefined()
  })

  it.each(never)('opens %s to nobody but the operator, and names no setting for it', (address) => {
    for (const reach of ['public', 'private'] as const) {
      const fault = addressFault(address, reach)
      expect(fault?.reason).toBe('forbidden_address')
      expect(fault?.allowedBy).toBeUndefined()
    }
    expect(addressFault(address, 'anywhere')).toBeUndefined()
  })
})

describe('checkUrl', () => {
  it('lets a public https URL pass', () => {
    for (const url of [
      'https://shop.example/hook?a=b',
      'https://shop.example:443/',
      'https://1.1.1.1/',
      'https://xn--bcher-kva.example/',
    ]) {
      expect(checkUrl(url, strict)).toBeUndefined()
    }
  })

  it.each([
    'https://127.0.0.1',
    'https://[::1]',
    'https://0',
    'https://2130706433',
    'https://0x7f000001',
    'https://0177.0.0.1',
    'https://127.1',
    'https://127.0.1',
    'https://127.0.0.1.',
    'https://%31%32%37.0.0.1',
    'https://127。0。0。1',
    'https://①②⑦.0.0.1',
    'https://[::ffff:7f00:1]',
    'https://[::ffff:127.0.0.1]',
    'https://[::7f00:1]',
    'https://[64:ff9b::7f00:1]',
    'https://[2002:7f00:1::]',
    'https://[2001:0:1::1]',
    'https://localhost',
    'https://LOCALHOST',
    'https://a.localhost',
    'https://169.254.169.254/latest/meta-data',
    'https://[fd00:ec2::254]',
    'https://168.63.129.16',
    'https://100.100.100.200',
    'https://10.0.0.1',
    'https://192.168.0.1',
  ])('refuses %s, which leads inside', (url) => {
    // prettier-ignore
    expect(checkUrl(url, strict)).toEqual(expect.any(String))
  })

  it('names the variable that would allow http or a private address', () => {
    expect(checkUrl('http://shop.example/', strict)).toContain('WEBHOOK_ALLOW_HTTP=true')
    expect(checkUrl('https://10.0.0.1/', strict)).toContain('WEBHOOK_ALLOW_PRIVATE=true')
    expect(checkUrl('https://localhost/', strict)).toContain('WEBHOOK_ALLOW_PRIVATE=true')
    expect(checkUrl('https://shop.example:8443/', strict)).toContain('WEBHOOK_ALLOW_PRIVATE=true')
    expect(checkUrl('https://169.254.169.254/', strict)).not.toContain('WEBHOOK')
  })

  it('lets http and private receivers on any port pass where they are allowed, and metadata never', () => {
    expect(checkUrl('http://127.0.0.1:3000/hook', open)).toBeUndefined()
    expect(checkUrl('http://localhost:3000/hook', open)).toBeUndefined()
    expect(checkUrl('http://169.254.169.254/', open)).toEqual(expect.any(String))
    expect(checkUrl('http://[::127.0.0.1]/', open)).toEqual(expect.any(String))
  })

  it('lets http go to port 80 alone while private receivers are not allowed', () => {
    expect(checkUrl('http://shop.example:80/', { ...strict, allowHttp: true })).toBeUndefined()
    expect(checkUrl('http://shop.example:22/', { ...strict, allowHttp: true })).toContain('port 22')
    expect(checkUrl('https://shop.example:6379/', strict)).toContain('port 6379')
  })

  it.each(['file:///etc/passwd', 'data:text/plain,x', 'gopher://x/', 'ftp://x/', 'javascript:alert(1)', 'ws://x/'])(
    'refuses the scheme of %s under any rule',
    (url) => {
      expect(urlFault(url, open)?.reason).toBe('forbidden_scheme')
    },
  )

  it.each([
    'https://user@shop.example/',
    'https://user:pass@shop.example/',
    'https://:pass@shop.example/',
    'https://',
    'shop.example',
    '/hook',
    '',
    ' https://shop.example/',
    'https://shop.example/a b',
    'https://shop.example/\n',
    'https:\\\\shop.example',
    'https://shop.example\\@10.0.0.1/',
    'https://shop.example./',
    'https://аpple.example/',
    'https://[fe80::1%25eth0]/',
  ])('refuses %j, which says one thing and may mean another', (url) => {
    // prettier-ignore
    expect(urlFault(url, open)?.reason).toBe('invalid_url')
  })

  it('takes 2,048 characters and no more', () => {
    const url = `https://shop.example/${'a'.repeat(2048 - 21)}`
    expect(url).toHaveLength(2048)
    expect(checkUrl(url, strict)).toBeUndefined()
    expect(checkUrl(`${url}a`, strict)).toContain('2048')
  })
})
