import type { AcceptedOptions } from '../contract/accepted.ts'
import type { BatchOptions } from '../contract/batch-request.ts'
import { terminalEvents } from '../contract/batch-request.ts'
import type { Fault } from '../contract/fault.ts'
import type { ItemDefaults } from '../contract/item.ts'
import { ApiProblem } from '../contract/problem.ts'
import type { Config } from '../config/config.ts'
import { parseUsd } from '../money/usd.ts'
import { checkUrl } from '../outbound/guard.ts'
import { defaultKeyTemplate, parseKeyTemplate, type KeyTemplate } from './output-key.ts'
import { parseTemplate, type Template } from './template.ts'

/** What a batch's options mean for each of its items. */
export interface ItemRules {
  readonly batch: string
  readonly defaults: ItemDefaults
  readonly template: Template | undefined
  readonly key: KeyTemplate
  /** The batch has a budget: the price of every item must be known. */
  readonly priced: boolean
}

export interface ReadOptions {
  /** Before any item was read: an item's own key makes `shared_keys` true, and what expires does so from the accept on. */
  readonly accepted: AcceptedOptions
  readonly rules: ItemRules
}

/**
 * Reads a batch's options: what the manifest keeps of them and what they mean for items. Throws `ApiProblem` where a
 * webhook is asked for and there is nothing to sign it with.
 */
export function readOptions(
  config: Pick<Config, 'publicUrl' | 'webhook' | 'worker'>,
  batch: string,
  options: BatchOptions,
): ReadOptions | { faults: Fault[] } {
  const template = options.template === undefined ? undefined : parseTemplate(options.template)
  const key = parseKeyTemplate(options.output?.key ?? defaultKeyTemplate)
  const webhookFault = options.webhook === undefined ? undefined : urlFault(config, options.webhook.url)
  const faults: Fault[] = []
  if (template !== undefined && 'fault' in template) faults.push(templateFault('template', template.fault))
  if ('fault' in key) faults.push(templateFault('output.key', key.fault))
  if (webhookFault !== undefined) faults.push({ param: 'webhook.url', code: 'invalid_format', message: webhookFault })
  if (faults.length > 0 || 'fault' in key || (template !== undefined && 'fault' in template)) return { faults }
  if (options.webhook !== undefined && config.webhook.secret === undefined) throw webhookSecretMissing()
  return {
    rules: { batch, defaults: options.defaults ?? {}, template, key, priced: options.budget_usd !== undefined },
    accepted: {
      name: options.name ?? null,
      priority: options.priority ?? 'standard',
      overwrite: options.output?.overwrite ?? 'changed',
      shared_keys: !key.holdsBatchId,
      max_attempts: options.max_attempts ?? config.worker.itemMaxAttempts,
      webhook: options.webhook === undefined ? null : webhookOf(options.webhook),
      metadata: options.metadata ?? {},
      cache_control: options.output?.cache_control ?? null,
      budget_nano: options.budget_usd === undefined ? null : parseUsd(options.budget_usd),
      expires_at_ms: null,
    },
  }
}

function webhookOf(webhook: NonNullable<BatchOptions['webhook']>): NonNullable<AcceptedOptions['webhook']> {
  return { url: webhook.url, events: [...new Set(webhook.events ?? terminalEvents)] }
}

function urlFault(config: Pick<Config, 'publicUrl' | 'webhook'>, url: string): string | undefined {
  const fault = checkUrl(url, config.webhook)
  if (fault !== undefined) return fault
  return new URL(url).origin === new URL(config.publicUrl).origin ? 'must not be this API itself' : undefined
}

function templateFault(param: string, message: string): Fault {
  return { param, code: 'invalid_template', message }
}

function webhookSecretMissing(): ApiProblem {
  return new ApiProblem({
    problem: 'invalid_request',
    code: 'webhook_secret_missing',
    param: 'webhook',
    detail: 'webhook needs a secret to sign deliveries with: the operator has to set WEBHOOK_SECRET',
  })
}
