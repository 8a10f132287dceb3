import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ApiProblem } from '../../../../src/shared/contract/problem.ts'
import { readCsv } from '../../../../src/shared/intake/csv.ts'
import type { RawItem } from '../../../../src/shared/intake/raw-item.ts'

async function read(pieces: Iterable<Buffer | string>): Promise<RawItem[]> {
  async function* source(): AsyncGenerator<Buffer> {
    for (const piece of pieces) yield await Promise.resolve(Buffer.from(piece))
  }
  const items: RawItem[] = []
  for await (const few of readCsv(source())) items.push(...few)
  return items
}

async function problemOf(pieces: Iterable<Buffer | string>): Promise<ApiProblem> {
  const problem: unknown = await read(pieces).catch((error: unknown) => error)
  if (problem instanceof ApiProblem) return problem
  throw new Error('accepted')
}

describe('CSV', () => {
  it('is an item a row: fields of an item by their names, every other column a field for templates', async () => {
    const csv = [
      'custom_id,prompt,model,width,seed,guidance,extra,Colour,fields.size,metadata.shop,output_key',
      'a,"A shoe, red",a/b,512,-7,3.5,"{""x"":1}",red,XL,7,k.png',
      'b,,,,,,,,,,',
    ].join('\n')
    expect(await read([csv])).toEqual([
      {
        line: 2,
        raw: {
          custom_id: 'a',
          prompt: 'A shoe, red',
          model: 'a/b',
          width: 512,
          seed: -7,
          guidance: 3.5,
          extra: { x: 1 },
          output_key: 'k.png',
          fields: { Colour: 'red', size: 'XL' },
          metadata: { shop: '7' },
        },
      },
      { line: 3, raw: { custom_id: 'b' } },
    ])
  })

  it('leaves what is no number, and what is no JSON, for the item’s own check', async () => {
    const [item] = await read(['width,extra,custom_id\n"wide",{x},007'])
    expect(item?.raw).toEqual({ width: 'wide', extra: '{x}', custom_id: '007' })
  })

  it.each([
    ['a byte order mark and \\r\\n', '\ufeffprompt,name\r\nx,y\r\n'],
    ['semicolons', 'prompt;"na,me"\nx;y'.replace('"na,me"', 'name')],
    ['tabs', 'prompt\tname\nx\ty\n'],
    ['blank lines in front', '\n\r\nprompt,name\nx,y'],
  ])('may have %s', async (_, csv) => {
    expect((await read([csv])).map(({ raw }) => raw)).toEqual([{ prompt: 'x', fields: { name: 'y' } }])
  })

  it('counts physical lines, over line ends in quotes and blank lines too', async () => {
    const items = await read(['prompt,"a\r\nb"\r\n"x\r\ny",1\r\n\r\n,\r\nz,2\r\n"1\n\n2",3\r\nlast,4'])
    expect(items.map(({ line, raw }) => [line, (raw as { prompt: string }).prompt])).toEqual([
      [3, 'x\r\ny'],
      [7, 'z'],
      [8, '1\n\n2'],
      [11, 'last'],
    ])
  })

  it('has the cells and lines that were written, wherever it is cut', async () => {
    const cell = fc.array(fc.constantFrom('a', 'é', '"', ',', ';', '\n', '\r\n', ' ', '=cmd()'), { maxLength: 4 })
    const row = fc.array(
      cell.map((letters) => letters.join('')),
      { minLength: 2, maxLength: 2 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(row),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.boolean(),
        async (rows, cuts, windows) => {
          const end = windows ? '\r\n' : '\n'
          const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
          const texts = [['one', 'two'], ...rows].map((cells) => cells.map(quoted).join(','))
          const bytes = Buffer.from(texts.join(end))
          const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
          const items = await read(places.slice(1).map((to, at) => bytes.subarray(places[at], to)))
          let line = 1
          const expected = texts.flatMap((text, at) => {
            const begins = line
            line += text.split('\n').length
            const [one = '', two = ''] = rows[at - 1] ?? []
            const fields = { ...(one === '' ? {} : { one }), ...(two === '' ? {} : { two }) }
            return at === 0 || (one === '' && two === '') ? [] : [{ line: begins, raw: { fields } }]
          })
          expect(items).toEqual(expected)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('says which rows do not fit the header, and reads on', async () => {
    const items = await read(['custom_id,prompt,\na,x,\nb\nc,x,,,\nd,x,y\ne,x,'])
    expect(items.map(({ line, fault }) => [line, fault?.param, fault?.code])).toEqual([
      [2, undefined, undefined],
      [3, '', 'invalid_format'],
      [4, '', 'invalid_format'],
      [5, 'column 3', 'unknown_field'],
      [6, undefined, undefined],
    ])
    expect(items[1]).toMatchObject({ raw: { custom_id: 'b' }, fault: { message: 'has 1 cells, and the header has 3' } })
  })

  it.each([
    ['prompt\n"a\nb', 'has a quote that is not closed'],
    ['prompt\n"a"b\nc', 'has text behind the closing quote of a cell'],
    ['prompt\n5" heel\nc', 'has a quote in the middle of a cell that does not begin with one'],
  ])('ends where its quotes are broken: %j', async (csv, message) => {
    const items = await read(['prompt\nfirst\n', csv.slice('prompt\n'.length)])
    expect(items).toEqual([
      { line: 2, raw: { prompt: 'first' } },
      { line: 3, raw: undefined, fault: { param: '', code: 'invalid_format', message }, isLast: true },
    ])
  })

  it('takes a row of 1 MiB with its line end and no byte more; much longer ones end the upload', async () => {
    const row = (bytes: number): string => `${'x'.repeat(bytes - 3)},y\n`
    const items = await read(['prompt,name\n', row(1_048_576), row(1_048_577), 'a,b\n', row(3_000_000), 'c,d\n'])
    expect(items.map(({ line, fault, isLast }) => [line, fault?.code, isLast])).toEqual([
      [2, undefined, undefined],
      [3, 'too_long', undefined],
      [4, undefined, undefined],
      [5, 'too_long', true],
    ])
  })

  it('refuses a header that cannot be meant', async () => {
    expect(await problemOf(['prompt,name,prompt\nx,y,z'])).toMatchObject({ status: 422, param: 'prompt' })
    expect(await problemOf(['name,fields.name\nx,y'])).toMatchObject({ status: 422, param: 'name' })
  })

  it('keeps prototypes clean', async () => {
    const [item] = await read(['__proto__,constructor\nx,y'])
    expect(JSON.stringify(item?.raw)).toBe('{"fields":{"__proto__":"x","constructor":"y"}}')
    expect(Reflect.get({}, 'x')).toBeUndefined()
  })

  it('refuses what is not UTF-8, wherever it is cut', async () => {
    const latin = Buffer.from('prompt\nblå', 'latin1')
    expect(await problemOf([latin])).toMatchObject({ status: 400, code: 'bad_request' })
    expect(await problemOf([Buffer.from('prompt\nbl'), Buffer.from([0xc3])])).toMatchObject({ status: 400 })
    const whole = Buffer.from('prompt\nblå')
    expect(await read([whole.subarray(0, -1), whole.subarray(-1)])).toEqual([{ line: 2, raw: { prompt: 'blå' } }])
  })

  it('gives up where there is next to nothing but empty rows', async () => {
    const empty = Buffer.alloc(999_999, ',,\n')
    expect(await problemOf(['a,b,c\n', ...Array.from({ length: 40 }, () => empty)])).toMatchObject({ status: 413 })
  })

  it('holds no more of a long upload than of a short one', async () => {
    let made = 0
    async function* source(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.from('custom_id,prompt\n'))
      for (; made < 100; made += 1) yield Buffer.from(`sku,${'x'.repeat(100)}\n`.repeat(1_000))
    }
    let taken = 0
    for await (const few of readCsv(source())) {
      taken += few.length
      expect(made * 1_000 - taken).toBeLessThan(20_000)
    }
    expect(taken).toBe(100_000)
  })

  it('has no items where there is a header alone, or nothing', async () => {
    expect(await read(['prompt,name\n'])).toEqual([])
    expect(await read([])).toEqual([])
    expect(await read(['\n\n'])).toEqual([])
  })

  it('ends what it reads from when whoever reads it stops', async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    async function* source(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield await Promise.resolve(Buffer.from('prompt\nx\n'.repeat(1_000)))
      } finally {
        resolve()
      }
    }
    for await (const few of readCsv(source())) {
      expect(few.length).toBeGreaterThan(0)
      break
    }
    await ended
  })

  it('fails as its source does', async () => {
    async function* source(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.from('prompt\nx\n'))
      throw new ApiProblem({ problem: 'timeout', detail: 'silence' })
    }
    const run = async (): Promise<void> => {
      for await (const _ of readCsv(source()));
    }
    await expect(run()).rejects.toMatchObject({ status: 408 })
  })
})
