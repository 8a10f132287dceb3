import { createHash } from 'node:crypto'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import { request } from 'undici'
import { z } from 'zod'
import { answerParent } from '../child.ts'

// What somebody writes in an afternoon who needs a few thousand images once: a list of prompts, 50 calls at a time, each
// image put into the bucket. No queue and no state; no look whether an image is there, no check whether it is one, no
// second try; killed, it begins again from zero. Arguments: none; order: see `order`.

const order = z.object({
  baseUrl: z.string(),
  endpoint: z.string(),
  bucket: z.string(),
  folder: z.string(),
  count: z.number(),
  side: z.number(),
  form: z.enum(['url', 'b64_json']),
})
type Order = z.infer<typeof order>

interface Answer {
  readonly data: readonly { readonly url: string | null; readonly b64_json: string | null }[]
}

const atOnce = 50

async function makeImage(s3: S3Client, { baseUrl, bucket, folder, side, form }: Order, at: number): Promise<void> {
  const called = await request(`${baseUrl}/images/generations`, {
    method: 'POST',
    headers: { authorization: 'Bearer rc_live_bench', 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'black-forest-labs/FLUX.1-schnell',
      prompt: `A shoe on white, no. ${String(at)}`,
      width: side,
      height: side,
      response_format: form,
    }),
  })
  if (called.statusCode !== 200) throw new Error(`the call was answered ${String(called.statusCode)}`)
  const datum = ((await called.body.json()) as Answer).data[0]
  if (datum === undefined) throw new Error('the answer holds no image')
  const bytes = datum.b64_json === null ? await download(datum.url ?? '') : Buffer.from(datum.b64_json, 'base64')
  await s3.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: `${folder}/${String(at)}.png`,
      Body: bytes,
      ContentType: 'image/png',
      ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
    }),
  )
}

async function download(url: string): Promise<Buffer> {
  const answer = await request(url)
  if (answer.statusCode !== 200) throw new Error(`the image was answered ${String(answer.statusCode)}`)
  return Buffer.from(await answer.body.arrayBuffer())
}

let s3: S3Client | undefined

answerParent({}, async (message) => {
  const given = order.parse(message)
  s3 ??= new S3Client({
    endpoint: given.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: atOnce } },
  })
  const client = s3
  const limit = pLimit(atOnce)
  await Promise.all(Array.from({ length: given.count }, (_, at) => limit(() => makeImage(client, given, at))))
  return {}
})
