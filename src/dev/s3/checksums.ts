import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** The algorithms of the `x-amz-checksum-*` headers that this server knows. */
export const checksumAlgorithms = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const

export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number]

/** How S3 speaks of an object's checksum: `COMPOSITE` is the checksum of the checksums of its parts. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  /** Base64; for a composite one with `-` and the number of parts behind. */
  readonly value: string
  readonly type: 'FULL_OBJECT' | 'COMPOSITE'
}

export interface Summer {
  update(chunk: Buffer): void
  digest(): Buffer
}

export function isChecksumAlgorithm(name: string): name is ChecksumAlgorithm {
  return (checksumAlgorithms as readonly string[]).includes(name)
}

/** A running checksum. */
export function startChecksum(algorithm: ChecksumAlgorithm | 'md5'): Summer {
  if (algorithm === 'crc32') return startCrc32(crc32)
  if (algorithm === 'crc32c') return startCrc32(crc32c)
  if (algorithm === 'crc64nvme') return startCrc64Nvme()
  return createHash(algorithm)
}

/** The headers in which S3 tells a checksum. */
export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (checksum === undefined) return {}
  return { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value, 'x-amz-checksum-type': checksum.type }
}

function startCrc32(next: (chunk: Buffer, sum: number) => number): Summer {
  let sum = 0
  return {
    update(chunk) {
      sum = next(chunk, sum)
    },
    digest() {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(sum >>> 0)
      return bytes
    },
  }
}

// CRC-32C of RFC 3720, the polynomial reflected.
const crc32cTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  return sum
})

function crc32c(chunk: Buffer, before: number): number {
  let sum = ~before
  for (const byte of chunk) sum = (sum >>> 8) ^ (crc32cTable[(sum ^ byte) & 0xff] ?? 0)
  return ~sum
}

// CRC-64/NVME, reflected, in two halves: BigInt would be some fifty times slower.
const crc64High = new Uint32Array(256)
const crc64Low = new Uint32Array(256)
for (let byte = 0; byte < 256; byte += 1) {
  let sum = BigInt(byte)
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1n ? (sum >> 1n) ^ 0x9a6c9329ac4bc9b5n : sum >> 1n
  crc64High[byte] = Number(sum >> 32n)
  crc64Low[byte] = Number(sum & 0xffffffffn)
}

function startCrc64Nvme(): Summer {
  let high = -1
  let low = -1
  return {
    update(chunk) {
      for (const byte of chunk) {
        const at = (low ^ byte) & 0xff
        low = ((low >>> 8) | (high << 24)) ^ (crc64Low[at] ?? 0)
        high = (high >>> 8) ^ (crc64High[at] ?? 0)
      }
    },
    digest() {
      const bytes = Buffer.alloc(8)
      bytes.writeUInt32BE(~high >>> 0, 0)
      bytes.writeUInt32BE(~low >>> 0, 4)
      return bytes
    },
  }
}
