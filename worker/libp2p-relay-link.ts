import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createExchangePool, type ExchangePool } from '../src/http/exchange-pool.ts'
import {
  decodeJson,
  encodeJson,
  type Hello,
  type Overtaken,
  overtakenSchema,
  protocols,
  relayName,
  welcomeSchema,
} from '../src/http/relay-protocol.ts'
import { type Exchange, Unreachable } from '../src/http/wire-exchange.ts'
import type { WireResponse } from '../src/ports/federation-transport.ts'
import { collectMail, type MailReader } from './libp2p-mail.ts'
import type { Reservations } from './libp2p-reservations.ts'

/** A relay that this homeserver uses. */
export interface RelayAddress {
  /** A multiaddr that ends in `/p2p/` and the relay's peer id. */
  readonly address: string
  /** What admits us there, if the relay asks for it. */
  readonly token?: string
}

export type RelayState = 'connecting' | 'admitted' | 'refused'

/** The connection to one relay, kept up by itself. */
export interface RelayLink {
  readonly peer: PeerId
  readonly address: Multiaddr
  readonly state: RelayState
  /** Where ordinary servers find this homeserver, once the relay has said so. */
  readonly domain: string | undefined
  /** Has the relay send a request on. Rejects with {@link Unreachable} when it cannot, or is not there. */
  request(exchange: Exchange): Promise<WireResponse>
  stop(): void
}

export interface RelayLinkOptions {
  readonly node: Libp2p
  readonly reservations: Reservations
  readonly hello: () => Promise<Omit<Hello, 'token'>>
  /** The token that admits us at an address by now; `undefined` where only the one that it came with is known. */
  readonly freshToken: (address: string) => Promise<string | undefined>
  readonly mail: MailReader
  /** The state changed. */
  readonly changed: () => void
  /** The relay says that a higher incarnation runs elsewhere; the proof is not checked yet. */
  readonly overtaken: (proof: Overtaken) => Promise<void>
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

const dialTimeoutMs = 15_000
const helloTimeoutMs = 10_000
/** How often the reservation is checked and mail is looked for. */
const checkIntervalMs = 30_000
const firstBackOffMs = 500
const longestBackOffMs = 30_000
const refusedBackOffMs = 300_000

class Refused extends Error {
  override name = 'Refused'
}

/** Dials the relay, introduces us, reserves circuits and fetches mail; and all of it again whenever the connection is lost. */
export function keepRelayLink(relay: RelayAddress, options: RelayLinkOptions): RelayLink {
  const { node, reservations, changed, log } = options
  const address = multiaddr(relay.address)
  const peer = relayPeer(address)
  const stopped = new AbortController()
  let state: RelayState = 'connecting'
  let domain: string | undefined
  let outbound: ExchangePool | undefined

  const set = (next: RelayState): void => {
    if (state === next) return
    state = next
    changed()
  }

  const within = (ms: number): AbortSignal => AbortSignal.any([stopped.signal, AbortSignal.timeout(ms)])

  /** Resolves when a connection that was admitted is lost; rejects when it does not come so far. */
  const connectOnce = async (): Promise<void> => {
    const connection = await node.dial(address, { signal: within(dialTimeoutMs) })
    await introduce(connection)
    await reservations.reserve(peer)
    outbound = streamPool(connection, protocols.outbound)
    set('admitted')
    try {
      await watch(connection)
    } finally {
      outbound.close()
      outbound = undefined
      set('connecting')
    }
  }

  const introduce = async (connection: Connection): Promise<void> => {
    const token = (await options.freshToken(relay.address)) ?? relay.token
    const body = encodeJson({ ...(await options.hello()), ...(token === undefined ? {} : { token }) })
    const answer = await askRelay(connection, protocols.hello, { method: 'POST', uri: '/hello', body, signal: within(helloTimeoutMs) })
    if (answer.status === 409) {
      const proof = decodeJson(overtakenSchema, answer.body)
      if (proof) await options.overtaken(proof)
    }
    const welcome = answer.status === 200 ? decodeJson(welcomeSchema, answer.body) : undefined
    if (welcome === undefined) throw new Refused(`The relay answered ${answer.status}`)
    domain = welcome.domain
  }

  const watch = async (connection: Connection): Promise<void> => {
    const closed = new Promise<void>((resolve) => connection.addEventListener('close', () => resolve(), { once: true }))
    const mailbox = streamPool(connection, protocols.mailbox)
    try {
      while (connection.status === 'open' && !stopped.signal.aborted) {
        if (!reservations.has(peer)) await reservations.reserve(peer)
        await collectMail(mailbox, options.mail, stopped.signal).catch((error: unknown) =>
          log('mail was not fetched', { relay: String(peer), error: String(error) }),
        )
        const pause = new AbortController()
        await Promise.race([closed, sleep(checkIntervalMs, AbortSignal.any([stopped.signal, pause.signal]))])
        pause.abort()
      }
    } finally {
      mailbox.close()
    }
  }

  const supervise = async (): Promise<void> => {
    for (let failures = 0; !stopped.signal.aborted; failures++) {
      let refused = false
      try {
        await connectOnce()
        failures = 0
      } catch (error) {
        refused = error instanceof Refused
        if (!stopped.signal.aborted) log('the relay is not connected', { relay: String(peer), error: String(error) })
      }
      if (stopped.signal.aborted) return
      set(refused ? 'refused' : 'connecting')
      await sleep(backOffMs(refused, failures), stopped.signal)
    }
  }

  void supervise()
  return {
    peer,
    address,
    get state() {
      return state
    },
    get domain() {
      return domain
    },
    request: async (exchange) => {
      if (outbound === undefined) throw new Unreachable('The relay is not connected')
      return outbound.request(exchange)
    },
    stop: () => stopped.abort(new Error('Stopped')),
  }
}

/** Streams of one protocol over one connection. */
export function streamPool(connection: Connection, protocol: string): ExchangePool {
  return createExchangePool((signal) => connection.newStream(protocol, { signal, runOnLimitedConnection: true }))
}

interface RelayQuestion {
  readonly method: string
  readonly uri: string
  readonly body: Uint8Array<ArrayBuffer>
  readonly signal: AbortSignal
}

async function askRelay(
  connection: Connection,
  protocol: string,
  { signal, ...question }: RelayQuestion,
): Promise<{ status: number; body: Uint8Array }> {
  const pool = streamPool(connection, protocol)
  try {
    const { status, body } = await pool.request({ to: relayName, request: { ...question, headers: {} }, signal })
    if (!(body instanceof Uint8Array)) throw new Error('The answer of the relay is too large')
    return { status, body }
  } finally {
    pool.close()
  }
}

function relayPeer(address: Multiaddr): PeerId {
  const id = address.getComponents().findLast(({ code }) => code === CODE_P2P)?.value
  if (id === undefined) throw new Error(`The address of a relay ends in /p2p/ and its peer id: ${address}`)
  return peerIdFromString(id)
}

function backOffMs(refused: boolean, failures: number): number {
  const longest = refused ? refusedBackOffMs : Math.min(longestBackOffMs, firstBackOffMs * 2 ** failures)
  // Jitter, so that all tabs do not come back to a restarted relay at the same moment.
  return longest * (0.5 + Math.random() / 2)
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
