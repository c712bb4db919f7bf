import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import * as v from 'valibot'
import { isServerName } from '../src/spec/server-name.ts'

const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535))

const homeserverSchema = v.strictObject({
  /** Omitted: a self-certifying name. */
  serverName: v.optional(v.pipe(v.string(), v.check(isServerName, 'is not a server name'))),
  clientPort: v.optional(port, 0),
  federationPort: v.optional(port, 0),
  dataDir: v.optional(v.string()),
  /** Omitted: a certificate of a CA kept in the data directory. */
  tls: v.optional(v.strictObject({ certFile: v.string(), keyFile: v.string() })),
})

const configSchema = v.strictObject({
  homeservers: v.pipe(v.array(homeserverSchema), v.minLength(1)),
  /** Server name (or name and port) → address; the port is the request's own where none is given. */
  resolve: v.optional(v.record(v.string(), v.string()), {}),
  trustedCaFiles: v.optional(v.array(v.string()), []),
  sharedSecret: v.optional(v.string()),
  openRegistration: v.optional(v.boolean(), false),
  rateLimits: v.optional(v.boolean(), true),
  allowPrivateAddresses: v.optional(v.boolean(), false),
  fastPasswordHash: v.optional(v.boolean(), false),
})

export type HeadlessConfig = v.InferOutput<typeof configSchema>
export type HomeserverConfig = HeadlessConfig['homeservers'][number]

/** A mistake in the configuration, told in words. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/** Reads and checks a configuration file; paths in it are relative to it. Throws {@link ConfigError}. */
export async function readConfig(file: string): Promise<HeadlessConfig> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`${file} cannot be read: ${error.code ?? error.message}`)
  })
  const at = (path: string) => (isAbsolute(path) ? path : join(dirname(file), path))
  const config = parseConfig(file, text)
  return {
    ...config,
    trustedCaFiles: config.trustedCaFiles.map(at),
    homeservers: config.homeservers.map((homeserver, i) => ({
      ...homeserver,
      dataDir: at(homeserver.dataDir ?? `data/${homeserver.serverName?.replaceAll(':', '_') ?? `homeserver-${i + 1}`}`),
      ...(homeserver.tls ? { tls: { certFile: at(homeserver.tls.certFile), keyFile: at(homeserver.tls.keyFile) } } : {}),
    })),
  }
}

function parseConfig(file: string, text: string): HeadlessConfig {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ConfigError(`${file} is not valid JSON: ${String(error)}`)
  }
  const result = v.safeParse(configSchema, value)
  if (result.success) return result.output
  const faults = result.issues.map((issue) => `${v.getDotPath(issue) ?? 'the configuration'}: ${issue.message}`)
  throw new ConfigError(`${file}: ${faults.join('; ')}`)
}
