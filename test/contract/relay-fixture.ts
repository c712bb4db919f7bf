import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { checkConfig } from '../../relay/config.ts'
import { type RunningRelay, startRelay } from '../../relay/relay.ts'
import type { FederationTransport, WireRequest, WireResponse } from '../../src/ports/federation-transport.ts'
import type { ServerName } from '../../src/spec/event.ts'
import type { JsonValue } from '../../src/spec/json.ts'
import { labelOfPublicKey } from '../../src/spec/self-certifying.ts'
import { signingBytes } from '../../src/spec/signing.ts'
import { formatXMatrix, requestSigningObject } from '../../src/spec/x-matrix.ts'
import { connectFederation } from '../../worker/federation-bridge.ts'
import { type Libp2pStatus, startLibp2p } from '../../worker/libp2p-node.ts'
import type { InboundRequest } from '../../worker/protocol.ts'

type Bytes = Uint8Array<ArrayBuffer>

const cleanUps: (() => Promise<unknown> | unknown)[] = []

/** Ends everything that the fixtures started, newest first. */
export async function stopAll(): Promise<void> {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
}

export function onStop(cleanUp: () => Promise<unknown> | unknown): void {
  cleanUps.push(cleanUp)
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'yurt-relay-'))
  onStop(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export interface TestRelay extends RunningRelay {
  /** Where ordinary servers reach it. */
  readonly url: string
  readonly dataDir: string
}

/** A relay on free ports of loopback. */
export async function startTestRelay(config: Readonly<Record<string, unknown>> = {}): Promise<TestRelay> {
  const complete = checkConfig(
    { dataDir: temporaryDirectory(), libp2p: { port: 0 }, federation: { port: 0 }, domain: 'relay.example', ...config },
    'the test',
  )
  const relay = await startRelay(complete, pino({ level: 'silent' }))
  onStop(relay.stop)
  return { ...relay, url: `http://127.0.0.1:${relay.ready.federationPort}`, dataDir: complete.dataDir }
}

/** An identity: what a homeserver signs with. */
export class TestKey {
  readonly privateKey: KeyObject
  readonly publicKey: Bytes
  readonly label: string

  constructor(privateKey: KeyObject = generateKeyPairSync('ed25519').privateKey) {
    this.privateKey = privateKey
    this.publicKey = Uint8Array.from(Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '', 'base64url'))
    this.label = labelOfPublicKey(this.publicKey)
  }

  sign(message: Uint8Array): Bytes {
    return Uint8Array.from(sign(null, message, this.privateKey))
  }

  /** A federation request signed by this key as `from`, for `to`. */
  request(signed: { from: ServerName; to: ServerName; method: string; uri: string; content?: JsonValue }): WireRequest {
    const { from: origin, to: destination, method, uri, content } = signed
    const covered = { method, uri, origin, destination, ...(content === undefined ? {} : { content }) }
    const signature = this.sign(signingBytes(requestSigningObject(covered)))
    return {
      method,
      uri,
      headers: { authorization: formatXMatrix({ origin, destination, keyId: 'ed25519:1', signature }), 'content-type': 'application/json' },
      ...(content === undefined ? {} : { body: new TextEncoder().encode(JSON.stringify(content)) }),
    }
  }
}

export interface TestTab {
  readonly key: TestKey
  readonly label: string
  readonly transport: FederationTransport
  /** What came in, in this order. */
  readonly received: InboundRequest[]
  readonly superseded: number[]
  status(): Libp2pStatus
  stop(): Promise<void>
}

export interface TestTabOptions {
  readonly relays: readonly { readonly address: string; readonly token?: string }[]
  readonly key?: TestKey
  readonly incarnation?: number
  readonly handle?: (inbound: InboundRequest, signal: AbortSignal) => Promise<WireResponse>
}

/** A leader's libp2p node as the browser runs it, but for WebRTC, with a stand-in for the homeserver behind its port. */
export async function startTab({ relays, key = new TestKey(), incarnation = 1, handle = echo }: TestTabOptions): Promise<TestTab> {
  const channel = new MessageChannel()
  const received: InboundRequest[] = []
  const superseded: number[] = []
  const transport = connectFederation(channel.port1, {
    handle: (inbound, signal) => {
      received.push(inbound)
      return handle(inbound, signal)
    },
    sign: async (message) => key.sign(message),
    superseded: (number) => superseded.push(number),
  })
  const identity = { serverName: key.label, publicKey: key.publicKey, incarnation }
  const running = await startLibp2p({ identity, port: channel.port2, relays, rtc: false })
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= running.stop().then(() => {
      channel.port1.close()
      channel.port2.close()
    })
    return stopped
  }
  onStop(stop)
  return { key, label: key.label, transport, received, superseded, status: running.status, stop }
}

/** A tab that its relays have admitted. */
export async function startAdmittedTab(options: TestTabOptions): Promise<TestTab> {
  const tab = await startTab(options)
  await until(() => tab.status().relays.every(({ state }) => state === 'admitted'))
  return tab
}

export const echo = async ({ request }: InboundRequest): Promise<WireResponse> => ({
  status: 200,
  headers: { 'content-type': 'application/json', 'x-uri': request.uri },
  body: request.body ?? new TextEncoder().encode('{}'),
})

export async function bodyOf(response: WireResponse): Promise<Bytes> {
  return response.body instanceof Uint8Array ? response.body : new Uint8Array(await new Response(response.body).arrayBuffer())
}

export async function jsonOf(response: WireResponse): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await bodyOf(response)))
}

/** Waits until `condition` holds; fails after `limitMs`. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`It did not come about within ${limitMs} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
