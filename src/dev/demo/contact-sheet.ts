import type { BatchObject } from '../../shared/contract/batch-object.ts'
import type { ResultLine } from '../../shared/contract/result.ts'
import { model, products } from './products.ts'
import { sizeOf, totalUsd } from './table.ts'

export interface Sheet {
  readonly batch: BatchObject
  readonly lines: readonly ResultLine[]
  /** Names of the image files beside the page, by `custom_id`. */
  readonly files: ReadonlyMap<string, string>
  /** True where the simulator drew them. */
  readonly simulated: boolean
}

/** All images of a batch on one page that needs nothing else: no script, no server, the images beside it. */
export function contactSheet(sheet: Sheet): string {
  const { batch, lines, files, simulated } = sheet
  const { total, succeeded, reused, failed } = batch.request_counts
  const facts = [
    [String(total), total === 1 ? 'product' : 'products'],
    [String(succeeded), 'made'],
    [String(reused), 'reused'],
    [String(failed), 'failed'],
    [`$${totalUsd(lines)}`, simulated ? 'simulated, not paid' : 'paid'],
  ]
  const title = batch.name ?? 'Contact sheet'
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} · Cratework</title>
<style>${style}</style>
</head>
<body>
<header>
<div>
<p class="brand">Cratework</p>
<h1>${escaped(title)}</h1>
<p class="about">${escaped(`${model} · ${batch.id} · ${endOf(batch)}`)}</p>
</div>
<dl>${facts.map(([value = '', name = '']) => `<div><dd>${escaped(value)}</dd><dt>${escaped(name)}</dt></div>`).join('')}</dl>
</header>
<main>
${lines.map((line) => card(line, files.get(line.custom_id))).join('\n')}
</main>
</body>
</html>
`
}

function endOf({ completed_at: completedAt, created_at: createdAt }: BatchObject): string {
  return `${new Date((completedAt ?? createdAt) * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function card(line: ResultLine, file: string | undefined): string {
  const product = products.find(({ customId }) => customId === line.custom_id)
  const image = line.response?.body.data[0]
  const picture =
    file === undefined || image === undefined
      ? `<p class="missing">${escaped(line.error?.message ?? 'no image')}</p>`
      : `<a href="${href(file)}"><img src="${href(file)}" alt="${escaped(product?.prompt ?? line.custom_id)}" width="${String(image.width)}" height="${String(image.height)}"></a>`
  return `<article>
${picture}
<div class="text">
<h2>${escaped(product?.name ?? line.custom_id)}</h2>
<p class="prompt">${escaped(product?.prompt ?? '')}</p>
<p class="row"><span class="status ${line.status}">${line.status}</span><span>${line.cost_usd === null ? 'price unknown' : `$${escaped(line.cost_usd)}`}</span></p>
<p class="small">${escaped(sizeOf(line))}</p>
<p class="key">${escaped(image?.s3_key ?? '').replaceAll('/', '/<wbr>')}</p>
</div>
</article>`
}

/** For text and attributes of HTML. */
function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '#39' }
  return text.replaceAll(/[&<>"']/g, (letter) => `&${names[letter] ?? ''};`)
}

/** A file beside the page, whatever is in its name. */
function href(file: string): string {
  return escaped(`./${encodeURIComponent(file)}`)
}

const style = `
:root { color-scheme: light dark; --page: #f4f2ee; --card: #fff; --ink: #22252d; --soft: #6a6d76; --line: #e3dfd7;
  --good: #1d6b4f; --good-back: #e2f2ea; --kept: #35558a; --kept-back: #e4ecf8; --bad: #a13232; --bad-back: #fae5e3 }
@media (prefers-color-scheme: dark) { :root { --page: #17181c; --card: #212329; --ink: #eceae6; --soft: #a2a5ae;
  --line: #33363e; --good: #8fdcb9; --good-back: #1d3a2f; --kept: #a9c6f7; --kept-back: #22324c; --bad: #f3a9a4;
  --bad-back: #482422 } }
* { box-sizing: border-box; margin: 0 }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
  max-width: 1240px; margin: 0 auto; padding: 36px 28px 40px }
header { display: flex; flex-wrap: wrap; gap: 20px 48px; justify-content: space-between; align-items: flex-end;
  margin-bottom: 28px }
.brand { color: var(--soft); font-size: 12px; font-weight: 600; letter-spacing: .14em; text-transform: uppercase }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.02em; margin: 4px 0 6px }
.about, .small, .key, dt { color: var(--soft); font-size: 13px }
dl { display: flex; flex-wrap: wrap; gap: 12px 30px }
dd { font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.2 }
main { display: grid; gap: 18px; grid-template-columns: repeat(auto-fill, minmax(min(204px, 100%), 1fr)) }
article { display: flex; flex-direction: column; background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow: hidden }
article img, .missing { display: block; width: 100%; aspect-ratio: 1; height: auto; object-fit: contain;
  background: var(--page); border-bottom: 1px solid var(--line) }
.missing { display: grid; place-items: center; padding: 24px; text-align: center; color: var(--bad) }
.text { flex: 1; display: flex; flex-direction: column; padding: 14px 16px 16px }
.prompt { flex: 1; font-size: 14px }
h2 { font-size: 16px; line-height: 1.3; margin-bottom: 4px }
.row { display: flex; justify-content: space-between; align-items: center; margin: 12px 0 8px; font-weight: 600;
  font-variant-numeric: tabular-nums }
.status { border-radius: 99px; padding: 1px 10px; font-size: 12px; background: var(--bad-back); color: var(--bad) }
.succeeded { background: var(--good-back); color: var(--good) }
.reused { background: var(--kept-back); color: var(--kept) }
.key { font-family: ui-monospace, "SF Mono", Consolas, monospace; font-size: 11.5px; line-height: 1.4; overflow-wrap: anywhere }
`
