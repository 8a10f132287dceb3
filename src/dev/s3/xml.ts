type Content = string | number | boolean | undefined

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\r': '&#13;' }
const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** A document: the root element around children that are XML already. */
export function document(root: string, ...children: string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}>${children.join('')}</${root}>`
}

/** Elements with text, in this order; what is undefined is left out. */
export function elements(fields: Record<string, Content>): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `<${name}>${escape(String(value))}</${name}>`)
    .join('')
}

/** An element around children that are XML already. */
export function group(name: string, ...children: string[]): string {
  return `<${name}>${children.join('')}</${name}>`
}

/** The inside of each element of this name, as XML. Enough for the two flat documents that a client sends. */
export function insides(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}(?: [^>]*)?>(.*?)</${name}>`, 'gs'))].map((match) => match[1] ?? '')
}

/** The text of the first element of this name. */
export function textOf(xml: string, name: string): string | undefined {
  const inside = insides(xml, name)[0]
  return inside?.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (entity, hex, decimal, word) => {
    if (typeof hex === 'string') return String.fromCodePoint(Number.parseInt(hex, 16))
    if (typeof decimal === 'string') return String.fromCodePoint(Number(decimal))
    return named[String(word)] ?? entity
  })
}

function escape(text: string): string {
  return text.replace(/[&<>"\r]/g, (character) => entities[character] ?? character)
}
