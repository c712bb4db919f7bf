import { execFile, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Client, httpClient } from './matrix-client.ts'
import { installVenv, type PythonVenv, pythonOf } from './python-venv.ts'

const run = promisify(execFile)
const version = '1.163.2'
const sharedSecret = 'interop'
const startTimeoutMs = 90_000

/** Where Synapse is installed: kept between runs. */
const venv: PythonVenv = {
  path: process.env.SYNAPSE_VENV ?? join(import.meta.dirname, '../../.cache/synapse-venv'),
  requirement: `matrix-synapse==${version}`,
  check: 'import synapse',
}
/** Its interpreter. */
export const python = pythonOf(venv)

/** Installs Synapse from PyPI, unmodified, unless it is there. Answers why not, where there is no Python to do it with. */
export function installSynapse(): Promise<string | undefined> {
  return installVenv(venv)
}

export interface SynapseOptions {
  readonly dir: string
  readonly federationPort: number
  readonly clientPort: number
  readonly tls: { readonly cert: string; readonly key: string }
  /** PEM of the CAs whose certificates other servers show. */
  readonly trustedCa: string
  /** A domain whose names it finds on this machine: what DNS would do. */
  readonly domainHere?: string
}

/** A real Synapse on loopback: HTTPS towards servers, HTTP towards clients, SQLite, a private CA, no notary. */
export class Synapse {
  readonly serverName: string
  readonly #options: SynapseOptions
  #stop: (() => Promise<void>) | undefined

  constructor(options: SynapseOptions) {
    this.serverName = `localhost:${options.federationPort}`
    this.#options = options
  }

  /** Starts, or starts again on the same data. */
  async start(): Promise<void> {
    const { dir } = this.#options
    const config = join(dir, 'homeserver.yaml')
    if (!existsSync(config)) await this.#configure(config)
    const child = spawn(python, ['-m', 'synapse.app.homeserver', '-c', config], {
      stdio: 'ignore',
      // Python runs the sitecustomize.py that it finds there.
      env: { ...process.env, PYTHONPATH: dir },
    })
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    this.#stop = async () => {
      child.kill('SIGTERM')
      await gone
    }
    await this.#answering(child)
  }

  async stop(): Promise<void> {
    await this.#stop?.()
    this.#stop = undefined
  }

  /** The newest lines of its log: what to show when a test fails. */
  async log(lines = 60): Promise<string> {
    const text = await readFile(join(this.#options.dir, 'homeserver.log'), 'utf8').catch(() => '')
    return text.split('\n').slice(-lines).join('\n')
  }

  async register(name: string): Promise<Client> {
    const anonymous = httpClient(this.url, this.serverName)
    const { nonce } = await anonymous.call('GET', '/_synapse/admin/v1/register')
    const mac = createHmac('sha1', sharedSecret)
      .update([String(nonce), name, 'secret', 'notadmin'].join('\0'))
      .digest('hex')
    const account = { nonce: String(nonce), username: name, password: 'secret', admin: false, mac }
    const {
      access_token: token,
      user_id: userId,
      device_id: deviceId,
    } = await anonymous.call('POST', '/_synapse/admin/v1/register', account)
    return httpClient(this.url, this.serverName, { token: String(token), userId: String(userId), deviceId: String(deviceId) })
  }

  /** Where clients reach it. */
  get url(): string {
    return `http://127.0.0.1:${this.#options.clientPort}`
  }

  async #answering(process: { readonly exitCode: number | null }): Promise<void> {
    const end = Date.now() + startTimeoutMs
    while (Date.now() < end && process.exitCode === null) {
      const isUp = await fetch(`${this.url}/_matrix/client/versions`).then(
        ({ ok }) => ok,
        () => false,
      )
      if (isUp) return
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    throw new Error(`Synapse did not start: ${await this.log()}`)
  }

  async #configure(file: string): Promise<void> {
    const { dir, federationPort, clientPort, tls, trustedCa, domainHere } = this.#options
    await mkdir(dir, { recursive: true })
    if (domainHere !== undefined) await writeFile(join(dir, 'sitecustomize.py'), lookUpHere(domainHere))
    await writeFile(join(dir, 'tls.crt'), tls.cert)
    await writeFile(join(dir, 'tls.key'), tls.key)
    await writeFile(join(dir, 'trusted.pem'), trustedCa)
    const log = {
      version: 1,
      formatters: { plain: { format: '%(asctime)s %(levelname)s %(name)s %(request)s %(message)s' } },
      filters: { context: { '()': 'synapse.logging.context.LoggingContextFilter', request: '' } },
      handlers: {
        file: { class: 'logging.FileHandler', filename: join(dir, 'homeserver.log'), formatter: 'plain', filters: ['context'] },
      },
      root: { level: 'INFO', handlers: ['file'] },
      disable_existing_loggers: false,
    }
    await writeFile(join(dir, 'log.yaml'), JSON.stringify(log))
    const resources = [{ names: ['client', 'federation', 'media'] }]
    const unlimited = { per_second: 10_000, burst_count: 10_000 }
    // JSON is YAML.
    const config = {
      server_name: this.serverName,
      report_stats: false,
      listeners: [
        { port: federationPort, type: 'http', tls: true, bind_addresses: ['127.0.0.1'], resources },
        { port: clientPort, type: 'http', tls: false, bind_addresses: ['127.0.0.1'], resources },
      ],
      tls_certificate_path: join(dir, 'tls.crt'),
      tls_private_key_path: join(dir, 'tls.key'),
      federation_custom_ca_list: [join(dir, 'trusted.pem')],
      ip_range_blacklist: [],
      federation_ip_range_blacklist: [],
      trusted_key_servers: [],
      database: { name: 'sqlite3', args: { database: join(dir, 'homeserver.db') } },
      log_config: join(dir, 'log.yaml'),
      signing_key_path: join(dir, 'signing.key'),
      media_store_path: join(dir, 'media'),
      pid_file: join(dir, 'homeserver.pid'),
      registration_shared_secret: sharedSecret,
      macaroon_secret_key: 'interop',
      form_secret: 'interop',
      allow_public_rooms_over_federation: true,
      allow_public_rooms_without_auth: true,
      room_list_publication_rules: [{ action: 'allow' }],
      // Seconds where it would otherwise be minutes until it tries again a server that was away.
      federation: { destination_min_retry_interval: '1s', destination_retry_multiplier: 1, destination_max_retry_interval: '2s' },
      rc_message: unlimited,
      rc_registration: unlimited,
      rc_joins: { local: unlimited, remote: unlimited },
      rc_joins_per_room: unlimited,
      rc_room_creation: unlimited,
      rc_invites: { per_room: unlimited, per_user: unlimited, per_issuer: unlimited },
      rc_federation: { window_size: 1000, sleep_limit: 10_000, sleep_delay: 1, reject_limit: 10_000, concurrent: 100 },
    }
    await writeFile(file, JSON.stringify(config))
    await run(python, ['-m', 'synapse.app.homeserver', '-c', file, '--generate-missing-configs'])
  }
}

/** Stands in for a wildcard DNS name. */
function lookUpHere(domain: string): string {
  return `import socket
look_up = socket.getaddrinfo
def getaddrinfo(host, *rest, **named):
    name = host.decode() if isinstance(host, bytes) else host
    return look_up("127.0.0.1" if name is not None and name.endswith(".${domain}") else host, *rest, **named)
socket.getaddrinfo = getaddrinfo
`
}
