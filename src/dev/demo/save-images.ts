import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ResultLine } from '../../shared/contract/result.ts'
import type { ApiClient } from './client.ts'

/**
 * Fetches the image of each result by its link and puts it into the folder, under the last part of its S3 key. Gives the
 * file's name by `custom_id`. Throws where the bytes are not those that the result promises.
 */
export async function saveImages(
  client: ApiClient,
  folder: string,
  lines: readonly ResultLine[],
): Promise<ReadonlyMap<string, string>> {
  await mkdir(folder, { recursive: true })
  const files = new Map<string, string>()
  for (const { custom_id: customId, response } of lines) {
    const image = response?.body.data[0]
    if (image?.url === undefined) continue
    const bytes = await client.download(image.url)
    if (createHash('sha256').update(bytes).digest('hex') !== image.sha256)
      throw new Error(`what S3 holds at ${image.s3_key} is not what the result says`)
    const file = image.s3_key.slice(image.s3_key.lastIndexOf('/') + 1)
    await writeFile(join(folder, file), bytes)
    files.set(customId, file)
  }
  return files
}
