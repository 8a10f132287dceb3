import { DatabaseSync } from 'node:sqlite'
import type { Checksum } from './checksums.ts'
import { checkWrite } from './conditions.ts'
import type { WriteCondition } from './conditions.ts'
import { S3Error } from './errors.ts'

/** An object without its bytes. */
export interface StoredObject {
  /** The file with the bytes. */
  readonly body: string
  readonly bytes: number
  /** Without quotes. */
  readonly etag: string
  readonly modifiedMs: number
  /** Content type, cache control, metadata and the like, as they go out. */
  readonly headers: Readonly<Record<string, string>>
  readonly checksum: Checksum | undefined
}

export interface ListedObject {
  readonly key: Buffer
  readonly etag: string
  readonly bytes: number
  readonly modifiedMs: number
}

/** A multipart upload that is neither completed nor aborted. */
export interface OpenUpload {
  readonly id: string
  readonly bucket: string
  readonly key: string
  readonly startedMs: number
  readonly headers: Readonly<Record<string, string>>
  /** What its parts and the whole are checked with; `value` is empty. */
  readonly checksum: Checksum | undefined
}

export interface StoredPart {
  readonly number: number
  readonly body: string
  readonly bytes: number
  readonly etag: string
  readonly checksum: Checksum | undefined
}

/** What is where. Each change is one commit; what it returns are the bodies that nothing names any more. */
export interface ObjectIndex {
  hasBucket(name: string): boolean
  addBucket(name: string, nowMs: number): void
  find(bucket: string, key: string): StoredObject | undefined
  /** Throws as `checkWrite` does. Nothing else runs between check and write: of racing writers one wins. */
  put(bucket: string, key: string, object: StoredObject, condition: WriteCondition): string[]
  remove(bucket: string, key: string, condition: WriteCondition): string[]
  /** From this place on, in the byte order of the keys' UTF-8. */
  from(bucket: string, place: Buffer): Iterable<ListedObject>
  addUpload(upload: OpenUpload): void
  findUpload(id: string): OpenUpload | undefined
  uploads(bucket: string): OpenUpload[]
  putPart(upload: string, part: StoredPart): string[]
  /** In the order of their numbers. */
  parts(upload: string): StoredPart[]
  removeUpload(id: string): string[]
  /** Puts the object and takes the upload away, both or neither. */
  completeUpload(upload: OpenUpload, object: StoredObject, condition: WriteCondition): string[]
  bodies(): Set<string>
  close(): void
}

const schema = `
  CREATE TABLE IF NOT EXISTS bucket (name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS object (
    bucket TEXT, key BLOB, body TEXT NOT NULL, bytes INTEGER NOT NULL, etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL, headers TEXT NOT NULL, checksum TEXT, PRIMARY KEY (bucket, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS upload (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, started_ms INTEGER NOT NULL,
    headers TEXT NOT NULL, checksum TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS part (
    upload TEXT, number INTEGER, body TEXT NOT NULL, bytes INTEGER NOT NULL, etag TEXT NOT NULL, checksum TEXT,
    PRIMARY KEY (upload, number)
  ) STRICT, WITHOUT ROWID;
`

/**
 * Opens the index, and keeps every other process out of it. A commit outlives the process at once; the journal reaches
 * the disk itself every thousand pages (`synchronous = NORMAL`), so a power cut may take the last writes, not the index.
 */
export function openIndex(file: string): ObjectIndex {
  const database = new DatabaseSync(file)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    database.exec(schema)
  } catch (error) {
    database.close()
    throw error
  }

  const selectBucket = database.prepare('SELECT 1 FROM bucket WHERE name = ?')
  const insertBucket = database.prepare('INSERT OR IGNORE INTO bucket VALUES (?, ?)')
  const selectObject = database.prepare('SELECT * FROM object WHERE bucket = ? AND key = ?')
  const selectFrom = database.prepare(
    'SELECT key, etag, bytes, modified_ms FROM object WHERE bucket = ? AND key >= ? ORDER BY key',
  )
  const upsertObject = database.prepare('INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
  const deleteObject = database.prepare('DELETE FROM object WHERE bucket = ? AND key = ?')
  const insertUpload = database.prepare('INSERT INTO upload VALUES (?, ?, ?, ?, ?, ?)')
  const selectUpload = database.prepare('SELECT * FROM upload WHERE id = ?')
  const selectUploads = database.prepare('SELECT * FROM upload WHERE bucket = ? ORDER BY key, started_ms')
  const deleteUpload = database.prepare('DELETE FROM upload WHERE id = ?')
  const upsertPart = database.prepare('INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?)')
  const selectPart = database.prepare('SELECT body FROM part WHERE upload = ? AND number = ?')
  const selectParts = database.prepare('SELECT * FROM part WHERE upload = ? ORDER BY number')
  const deleteParts = database.prepare('DELETE FROM part WHERE upload = ?')
  const selectBodies = database.prepare('SELECT body FROM object UNION ALL SELECT body FROM part')

  function find(bucket: string, key: string): StoredObject | undefined {
    const row = selectObject.get(bucket, Buffer.from(key))
    if (row === undefined) return undefined
    return {
      body: String(row['body']),
      bytes: Number(row['bytes']),
      etag: String(row['etag']),
      modifiedMs: Number(row['modified_ms']),
      headers: JSON.parse(String(row['headers'])) as Record<string, string>,
      checksum: checksumOf(row),
    }
  }

  function put(bucket: string, key: string, object: StoredObject, condition: WriteCondition): string[] {
    const { body, bytes, etag, modifiedMs, headers, checksum } = object
    const stands = find(bucket, key)
    checkWrite(condition, stands?.etag)
    const texts = [JSON.stringify(headers), checksumText(checksum)] as const
    upsertObject.run(bucket, Buffer.from(key), body, bytes, etag, modifiedMs, ...texts)
    return stands === undefined ? [] : [stands.body]
  }

  function parts(upload: string): StoredPart[] {
    return selectParts.all(upload).map((row) => ({
      number: Number(row['number']),
      body: String(row['body']),
      bytes: Number(row['bytes']),
      etag: String(row['etag']),
      checksum: checksumOf(row),
    }))
  }

  function atomically<T>(change: () => T): T {
    database.exec('BEGIN IMMEDIATE')
    try {
      const result = change()
      database.exec('COMMIT')
      return result
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  }

  function dropUpload(id: string): string[] {
    const bodies = parts(id).map((part) => part.body)
    deleteParts.run(id)
    if (deleteUpload.run(id).changes === 0) throw noSuchUpload()
    return bodies
  }

  return {
    find,
    put,
    parts,
    hasBucket: (name) => selectBucket.get(name) !== undefined,
    addBucket(name, nowMs) {
      insertBucket.run(name, nowMs)
    },
    remove(bucket, key, condition) {
      const stands = find(bucket, key)
      checkWrite(condition, stands?.etag)
      deleteObject.run(bucket, Buffer.from(key))
      return stands === undefined ? [] : [stands.body]
    },
    *from(bucket, place) {
      for (const row of selectFrom.iterate(bucket, place)) {
        const { bytes, etag, modified_ms: modifiedMs } = row
        yield { key: blob(row['key']), etag: String(etag), bytes: Number(bytes), modifiedMs: Number(modifiedMs) }
      }
    },
    addUpload({ id, bucket, key, startedMs, headers, checksum }) {
      insertUpload.run(id, bucket, Buffer.from(key), startedMs, JSON.stringify(headers), checksumText(checksum))
    },
    findUpload(id) {
      const row = selectUpload.get(id)
      return row === undefined ? undefined : uploadOf(row)
    },
    uploads: (bucket) => selectUploads.all(bucket).map(uploadOf),
    putPart: (upload, { number, body, bytes, etag, checksum }) =>
      atomically(() => {
        if (selectUpload.get(upload) === undefined) throw noSuchUpload()
        const stands = selectPart.get(upload, number)
        upsertPart.run(upload, number, body, bytes, etag, checksumText(checksum))
        return stands === undefined ? [] : [String(stands['body'])]
      }),
    removeUpload: (id) => atomically(() => dropUpload(id)),
    completeUpload: (upload, object, condition) =>
      atomically(() => [...put(upload.bucket, upload.key, object, condition), ...dropUpload(upload.id)]),
    bodies: () => new Set(selectBodies.all().map((row) => String(row['body']))),
    close() {
      if (database.isOpen) database.close()
    },
  }
}

export function noSuchUpload(): S3Error {
  return new S3Error('NoSuchUpload', 'The specified multipart upload does not exist.')
}

type Row = ReturnType<ReturnType<DatabaseSync['prepare']>['all']>[number]

function uploadOf(row: Row): OpenUpload {
  return {
    id: String(row['id']),
    bucket: String(row['bucket']),
    key: blob(row['key']).toString(),
    startedMs: Number(row['started_ms']),
    headers: JSON.parse(String(row['headers'])) as Record<string, string>,
    checksum: checksumOf(row),
  }
}

function checksumOf(row: Row): Checksum | undefined {
  return row['checksum'] === null ? undefined : (JSON.parse(String(row['checksum'])) as Checksum)
}

function checksumText(checksum: Checksum | undefined): string | null {
  return checksum === undefined ? null : JSON.stringify(checksum)
}

function blob(value: Row[string] | undefined): Buffer {
  if (!(value instanceof Uint8Array)) throw new Error('a key in the index is no blob')
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}
