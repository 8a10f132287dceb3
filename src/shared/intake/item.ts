import type { AcceptedItem, ImageParameters } from '../contract/accepted.ts'
import type { Fault } from '../contract/fault.ts'
import { parseItem, type ItemInput } from '../contract/item.ts'
import { findModel, priceNano } from '../models/catalogue.ts'
import { outputSize } from '../models/sizes.ts'
import { fingerprintOf } from './fingerprint.ts'
import { modelFaults, modelWarnings, type ItemWarning } from './model-rules.ts'
import type { ItemRules } from './options.ts'
import { literalKeyFault, renderKey, type KeyFault } from './output-key.ts'
import { renderTemplate } from './template.ts'

export interface ReadItem {
  readonly customId: string
  readonly item: AcceptedItem
  readonly warnings: ItemWarning[]
  /** It brought an `output_key` of its own. */
  readonly ownKey: boolean
}

/** Where an item stands in its batch, and what it is called if it brings no `custom_id`. */
export interface ItemPlace {
  readonly index: number
  readonly name: string
}

/** Makes an accepted item of what was sent, or says all that is wrong with it. Pure: the same twice for the same. */
export function readItem(raw: unknown, { index, name }: ItemPlace, rules: ItemRules): ReadItem | { faults: Fault[] } {
  const parsed = parseItem(raw)
  const faults = [...parsed.faults]
  const fault = (param: string, code: Fault['code'], message: string): void => {
    if (!faults.some((known) => known.param === parsed.under + param)) {
      faults.push({ param: parsed.under + param, code, message })
    }
  }
  // Where one field is wrong, what is missing is still said, but nothing is worked out of the rest.
  const input = parsed.item ?? given(raw, parsed.under)
  const model = input.model ?? rules.defaults.model
  if (model === undefined) fault('model', 'missing', 'is required, here or in defaults')
  if (input.prompt === undefined && rules.template === undefined)
    fault('prompt', 'missing', 'is required where the batch has no template')
  if (parsed.item === undefined || model === undefined || faults.length > 0) return { faults }

  const item = parsed.item
  const customId = item.custom_id ?? name
  const prompt = item.prompt ?? promptFromTemplate(item, customId, rules, fault)
  const key = keyOf(item, customId, index, rules, fault)
  const row = findModel(model)
  for (const found of modelFaults(model, row)) fault(found.param, found.code, found.message)
  const parameters = parametersOf(item, rules.defaults)
  const price = priceNano(row, outputSize(parameters))
  if (price === null && rules.priced) {
    fault('model', 'unsupported', 'has no price that is known, and the batch has a budget')
  }
  if (prompt === undefined || key === undefined || faults.length > 0) return { faults }

  const extra = extraOf(item, rules.defaults)
  return {
    customId,
    ownKey: item.output_key !== undefined,
    warnings: modelWarnings(row, parameters),
    item: {
      index,
      custom_id: customId,
      model,
      prompt,
      parameters,
      ...(extra === undefined ? {} : { extra }),
      fingerprint: fingerprintOf({ model, prompt, parameters, extra }),
      key,
      price_nano: price,
      ...(item.metadata === undefined ? {} : { metadata: item.metadata }),
    },
  }
}

type AddFault = (param: string, code: Fault['code'], message: string) => void

/** Of an item with a fault: whether it has model and prompt at all. */
function given(raw: unknown, under: string): Pick<ItemInput, 'model' | 'prompt'> {
  const place: unknown = under !== '' && typeof raw === 'object' && raw !== null ? Reflect.get(raw, 'body') : raw
  if (typeof place !== 'object' || place === null) return { model: '', prompt: '' } // said already: no object
  const presence = (name: string): string | undefined =>
    (Reflect.get(place, name) ?? undefined) === undefined ? undefined : ''
  return { model: presence('model'), prompt: presence('prompt') }
}

function promptFromTemplate(item: ItemInput, customId: string, rules: ItemRules, fault: AddFault): string | undefined {
  if (rules.template === undefined) return undefined
  const fields = item.fields ?? {}
  const text = renderTemplate(rules.template, (name) => {
    if (name === 'custom_id') return customId
    return Object.hasOwn(fields, name) ? fields[name] : undefined
  })
  if (typeof text !== 'string') {
    const { field, fault: message } = text
    if (field === undefined) fault('prompt', 'invalid_template', `made from the template ${message}`)
    else fault(`fields.${field.slice(0, 100)}`, 'invalid_template', `${message}, and the template needs it`)
    return undefined
  }
  if (text.trim() !== '') return text
  fault('prompt', 'too_short', 'made from the template must not be blank')
  return undefined
}

function keyOf(
  item: ItemInput,
  customId: string,
  index: number,
  rules: ItemRules,
  fault: AddFault,
): string | undefined {
  if (item.output_key !== undefined) {
    const found = literalKeyFault(item.output_key)
    if (found === undefined) return item.output_key
    fault('output_key', found.code, found.message)
    return undefined
  }
  const key = renderKey(rules.key, { batch: rules.batch, customId, index, fields: item.fields ?? {} })
  if (typeof key === 'string') return key
  addKeyFault(key, fault)
  return undefined
}

function addKeyFault({ code, message, field }: KeyFault, fault: AddFault): void {
  if (field === undefined) fault('output_key', code, `made from output.key ${message}`)
  else fault(`fields.${field.slice(0, 100)}`, code, `${message}, and output.key needs it`)
}

const parameterNames = [
  'aspect_ratio',
  'width',
  'height',
  'seed',
  'num_inference_steps',
  'guidance',
  'negative_prompt',
  'response_format',
] as const satisfies readonly (keyof ImageParameters)[]

/** The item's own values win; its ratio drops the defaults' size, and its size their ratio. */
function parametersOf(item: ItemInput, defaults: ItemRules['defaults']): ImageParameters {
  const dropped = new Set<keyof ImageParameters>()
  if (item.aspect_ratio !== undefined) dropped.add('width').add('height')
  if (item.width !== undefined || item.height !== undefined) dropped.add('aspect_ratio')
  const entries = parameterNames.flatMap((name) => {
    const value = item[name] ?? (dropped.has(name) ? undefined : defaults[name])
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(entries)
}

/** Both, entry by entry; the item's own win. */
function extraOf(item: ItemInput, defaults: ItemRules['defaults']): Record<string, unknown> | undefined {
  const extra = { ...defaults.extra, ...item.extra }
  return Object.keys(extra).length === 0 ? undefined : extra
}
