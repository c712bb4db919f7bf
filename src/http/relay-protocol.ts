import * as v from 'valibot'
import type { Label } from '../spec/self-certifying.ts'

/** The libp2p protocols between homeservers and their relay. All of them carry exchanges of requests and responses. */
export const protocols = {
  /** Requests of other servers, to a homeserver: from its peers, or from its relay on their behalf. */
  federation: '/yurt/federation/1',
  /** A homeserver's requests to any server, sent on by the relay. */
  outbound: '/yurt/outbound/1',
  /** `POST /hello`: a homeserver asks its relay to be admitted. */
  hello: '/yurt/hello/1',
  /** `GET /mail?after=ID`, `DELETE /mail`: a homeserver takes what came while it slept. */
  mailbox: '/yurt/mailbox/1',
} as const

/** What stands for the relay itself where a server name is due. */
export const relayName = 'relay'

/** How a homeserver introduces itself. Who it is, its peer id has proved. */
export interface Hello {
  readonly token?: string
  /** Grows with every import or restore of the homeserver. */
  readonly incarnation: number
  /** Unpadded base64 of the signature of {@link incarnationBytes}. */
  readonly signature: string
}

/** The relay's answer to one that it admits. */
export interface Welcome {
  /** Where ordinary servers find the homeserver: `label.domain`. */
  readonly domain?: string
  /** Transactions waiting in the mailbox. */
  readonly mail: number
}

/** The answer (409) to an incarnation that was overtaken, with the proof of the higher one. */
export type Overtaken = Pick<Hello, 'incarnation' | 'signature'>

/** A transaction that came while the homeserver slept. */
export interface Mail {
  readonly id: number
  readonly origin: string
  readonly to: string
  readonly method: string
  readonly uri: string
  readonly headers: Readonly<Record<string, string>>
  /** The body, which is JSON and therefore text. */
  readonly body: string
}

const incarnation = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const signature = v.pipe(v.string(), v.maxLength(100))
const text = (length: number) => v.pipe(v.string(), v.maxLength(length))

export const helloSchema: v.GenericSchema<unknown, Hello> = v.object({
  token: v.exactOptional(text(500)),
  incarnation,
  signature,
})

export const welcomeSchema: v.GenericSchema<unknown, Welcome> = v.object({
  domain: v.exactOptional(text(255)),
  mail: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
})

export const overtakenSchema: v.GenericSchema<unknown, Overtaken> = v.object({ incarnation, signature })

export const mailsSchema: v.GenericSchema<unknown, { readonly mails: readonly Mail[] }> = v.object({
  mails: v.pipe(
    v.array(
      v.object({
        id: v.pipe(v.number(), v.safeInteger()),
        origin: text(255),
        to: text(255),
        method: text(10),
        uri: text(16_384),
        headers: v.record(v.string(), v.string()),
        body: v.string(),
      }),
    ),
    v.maxLength(1000),
  ),
})

export const mailIdsSchema: v.GenericSchema<unknown, { readonly ids: readonly number[] }> = v.object({
  ids: v.pipe(v.array(v.pipe(v.number(), v.safeInteger())), v.maxLength(1000)),
})

/** What a homeserver signs to prove its incarnation. */
export function incarnationBytes(label: Label, number: number): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`yurt-incarnation:${label}:${number}`)
}

/** JSON as the body of a request or response. */
export function encodeJson(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value))
}

/** The JSON of a body that was read whole, if it has this shape; `undefined` otherwise. */
export function decodeJson<T>(schema: v.GenericSchema<unknown, T>, body: Uint8Array): T | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)), { abortEarly: true })
    return result.success ? result.output : undefined
  } catch {
    return undefined
  }
}
