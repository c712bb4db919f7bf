import type { LookupAddress, LookupOptions } from 'node:dns'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import { isIP } from 'node:net'
import { rootCertificates } from 'node:tls'
import { parseServerName } from '../src/spec/server-name.ts'
import { guardedAddresses } from './address-guard.ts'

export interface HttpsClientOptions {
  /**
   * Where servers are, instead of asking DNS: from `host` or `host:port` to an address with or without a port. Exempt from the guard:
   * whoever runs this wrote them.
   */
  readonly resolve?: Readonly<Record<string, string>>
  /** PEM, trusted beside the usual authorities. */
  readonly trustedCa?: readonly string[]
  readonly allowPrivateAddresses?: boolean
}

export interface HttpsRequest {
  readonly host: string
  readonly port: number
  /** What the certificate must be valid for. */
  readonly certificateName: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal: AbortSignal
  /** Without TLS: for pages of the web alone. */
  readonly isPlain?: boolean
}

export interface HttpsClient {
  /** Resolves with the response once its head is there. Rejects when nobody answers, or a guard forbids to ask. */
  send(wanted: HttpsRequest): Promise<IncomingMessage>
  close(): void
}

const idleSocketMs = 30_000
const socketsOfHost = 32

/** HTTPS, and HTTP where that is asked for, with the address checked that is really connected to, and connections kept open for the next request. */
export function createHttpsClient({ resolve = {}, trustedCa = [], allowPrivateAddresses = false }: HttpsClientOptions): HttpsClient {
  const overrides = new Map(Object.entries(resolve))
  const pooling = { keepAlive: true, timeout: idleSocketMs, maxSockets: socketsOfHost, maxFreeSockets: 2 }
  const plainAgent = new HttpAgent(pooling)
  const agent = new Agent({
    ...pooling,
    ...(trustedCa.length === 0 ? {} : { ca: [...rootCertificates, ...trustedCa] }),
  })

  /** Addresses and port to connect to. */
  const locate = async (host: string, port: number): Promise<{ addresses: LookupAddress[]; port: number }> => {
    const given = overrides.get(`${host}:${port}`) ?? overrides.get(host)
    if (given === undefined) return { addresses: await guardedAddresses(host, allowPrivateAddresses), port }
    const parsed = parseServerName(given)
    const target = (parsed?.host ?? given).replace(/^\[|\]$/g, '')
    return { addresses: await guardedAddresses(target, true), port: parsed?.port ?? port }
  }

  return {
    send: async ({ host, port, certificateName, method, path, headers, body, signal, isPlain = false }) => {
      const { addresses, port: connectPort } = await locate(host, port)
      signal.throwIfAborted()
      const options: RequestOptions = {
        agent: isPlain ? plainAgent : agent,
        method,
        path,
        signal,
        // Sockets are shared by the name of the certificate; where that leads is what was looked up and checked.
        host: isIP(certificateName) === 0 ? certificateName : (addresses[0]?.address ?? certificateName),
        port: connectPort,
        servername: isIP(certificateName) === 0 ? certificateName : '',
        lookup: fixedLookup(addresses),
        headers: { ...headers, 'content-length': String(body?.byteLength ?? 0) },
      }
      return new Promise((resolveResponse, reject) => {
        const sent = (isPlain ? httpRequest : request)(options, resolveResponse)
        sent.on('error', reject)
        sent.end(body)
      })
    },
    close: () => {
      agent.destroy()
      plainAgent.destroy()
    },
  }
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/** A `lookup` that answers with what was looked up and checked before. */
function fixedLookup(addresses: readonly LookupAddress[]): (hostname: string, options: LookupOptions, callback: LookupCallback) => void {
  return (_hostname, options, callback) => {
    const [first] = addresses
    if (options.all || first === undefined) callback(null, [...addresses])
    else callback(null, first.address, first.family)
  }
}
