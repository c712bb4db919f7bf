import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import * as v from 'valibot'
import { publicKeyOfLabel } from '../src/spec/self-certifying.ts'
import { isServerName } from '../src/spec/server-name.ts'

const port = v.pipe(v.number('must be a number'), v.integer('must be a whole number'), v.minValue(0), v.maxValue(65_535))
const count = v.pipe(v.number('must be a number'), v.integer('must be a whole number'), v.minValue(1, 'must be 1 or more'))
const text = v.pipe(v.string('must be a string'), v.minLength(1, 'must not be empty'))
const label = v.pipe(
  text,
  v.check((value) => publicKeyOfLabel(value) !== undefined, 'must be a label: k51… with 62 characters'),
)
const serverName = v.pipe(text, v.check(isServerName, 'must be a server name'))
const domain = v.pipe(text, v.regex(/^[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$/, 'must be a domain name in lower case, without a port'))
const target = v.pipe(text, v.check(isServerName, 'must be an address, with or without a port'))
const tls = v.strictObject({ certFile: text, keyFile: text })
const listener = { host: v.optional(text, '127.0.0.1'), tls: v.exactOptional(tls) }

const limits = {
  connections: v.optional(count, 6000),
  connectionsPerAddressPerSecond: v.optional(count, 20),
  reservations: v.optional(count, 6000),
  reservationMinutes: v.optional(count, 120),
  circuitMegabytes: v.optional(count, 256),
  circuitMinutes: v.optional(count, 60),
  requestMegabytes: v.optional(count, 16),
  responseMegabytes: v.optional(count, 512),
  bufferMegabytes: v.optional(count, 256),
  requestSeconds: v.optional(count, 60),
  outboundPerPeerPerMinute: v.optional(count, 1200),
  outboundPerMinute: v.optional(count, 60_000),
  mailboxMegabytes: v.optional(count, 64),
  mailboxTransactions: v.optional(count, 10_000),
  mailboxTotalMegabytes: v.optional(count, 4096),
  mailboxDays: v.optional(count, 30),
}

const schema = v.strictObject({
  dataDir: v.optional(text, 'data/relay'),
  domain: v.exactOptional(domain),
  libp2p: v.optional(v.strictObject({ ...listener, port: v.optional(port, 8421), announce: v.optional(v.array(text), []) }), {}),
  federation: v.optional(v.strictObject({ ...listener, port: v.optional(port, 8422), publicPort: v.exactOptional(port) }), {}),
  metrics: v.exactOptional(v.strictObject({ host: v.optional(text, '127.0.0.1'), port: v.optional(port, 8423) })),
  admission: v.optional(
    v.strictObject({
      mode: v.optional(v.picklist(['token', 'allowlist', 'open'], 'must be "token", "allowlist" or "open"'), 'token'),
      tokens: v.optional(v.array(text), []),
      labels: v.optional(v.array(label), []),
    }),
    {},
  ),
  names: v.optional(v.record(serverName, label), {}),
  resolve: v.optional(v.record(serverName, target), {}),
  trustedCaFiles: v.optional(v.array(text), []),
  allowPrivateAddresses: v.optional(v.boolean('must be true or false'), false),
  limits: v.optional(v.strictObject(limits), {}),
  logLevel: v.optional(v.picklist(['debug', 'info', 'warn', 'error'], 'must be "debug", "info", "warn" or "error"'), 'info'),
})

/** The configuration of the relay, checked and complete. */
export type RelayConfig = v.InferOutput<typeof schema>

/** The configuration is wrong; the message says where, for people. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

type Environment = Readonly<Record<string, string | undefined>>

/** Environment variables stand above the file. */
const variables = {
  RELAY_DATA_DIR: 'dataDir',
  RELAY_DOMAIN: 'domain',
  RELAY_HOST: 'libp2p.host',
  RELAY_PORT: 'libp2p.port',
  RELAY_FEDERATION_HOST: 'federation.host',
  RELAY_FEDERATION_PORT: 'federation.port',
  RELAY_LOG_LEVEL: 'logLevel',
  RELAY_TOKEN: 'admission.tokens',
} as const

/** Reads and checks the file, or the defaults where there is none, with what the environment says. Throws {@link ConfigError}. */
export function readConfig(file: string | undefined, environment: Environment): RelayConfig {
  return checkConfig(withEnvironment(file === undefined ? {} : readJson(file), environment), file ?? 'the environment')
}

/** The configuration with its defaults. Throws {@link ConfigError} naming every mistake in it; `source` says where it is from. */
export function checkConfig(value: unknown, source: string): RelayConfig {
  if (!isRecord(value)) throw new ConfigError(`Mistakes in ${source}:\n  the configuration: is not an object`)
  const result = v.safeParse(schema, value)
  if (!result.success) throw new ConfigError(`Mistakes in ${source}:\n${result.issues.map((issue) => `  ${describe(issue)}`).join('\n')}`)
  const { federation, domain: name } = result.output
  if (name !== undefined && federation.tls === undefined && !isLoopback(federation.host) && federation.publicPort === undefined)
    throw new ConfigError(
      `Mistakes in ${source}:\n  federation: without tls it listens on loopback, or publicPort names the port of the proxy in front that has the certificate`,
    )
  return result.output
}

function describe(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? 'the configuration'
  if (issue.type === 'strict_object')
    return issue.expected === 'never' ? `${path}: there is no such option` : `${path}: is missing, or not an object`
  return `${path}: ${issue.message}`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(resolve(file), 'utf8'))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError(`${file} cannot be read: ${reason}`)
  }
}

function withEnvironment(value: unknown, environment: Environment): unknown {
  if (!isRecord(value)) return value
  const merged = structuredClone(value)
  for (const [variable, path] of Object.entries(variables)) {
    const given = environment[variable]
    if (given === undefined || given === '') continue
    const [section, key] = path.includes('.') ? path.split('.') : [undefined, path]
    if (section !== undefined && merged[section] === undefined) merged[section] = {}
    const target = section === undefined ? merged : merged[section]
    if (!isRecord(target) || key === undefined) continue
    target[key] = key === 'port' ? numberOr(given) : key === 'tokens' ? [given] : given
  }
  return merged
}

/** What is no number stays as it is: the check of the configuration says what is wrong with it. */
function numberOr(given: string): number | string {
  return /^\d+$/.test(given) ? Number(given) : given
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
