import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What crosses the socket between the headless program and its page: bodies whole, but for those of responses of which `more` comes. */
export type Message =
  | {
      readonly kind: 'request'
      readonly call: number
      readonly surface: 'client' | 'federation'
      readonly address: string
      readonly to: string
      readonly request: WireRequest
    }
  | { readonly kind: 'response'; readonly call: number; readonly more: boolean; readonly response: WireResponse & { readonly body: Bytes } }
  | { readonly kind: 'piece'; readonly call: number; readonly piece: Bytes }
  | { readonly kind: 'end'; readonly call: number }
  | { readonly kind: 'failed'; readonly call: number; readonly reason: string }
  | { readonly kind: 'abort'; readonly call: number }
  | { readonly kind: 'ready'; readonly serverName: string }

/** A message as bytes: the length of its head, the head as JSON without the body, the body. */
export function encodeMessage(message: Message): Bytes {
  const { head, body } = split(message)
  const text = new TextEncoder().encode(JSON.stringify(head))
  const bytes = new Uint8Array(4 + text.byteLength + body.byteLength)
  new DataView(bytes.buffer).setUint32(0, text.byteLength)
  bytes.set(text, 4)
  bytes.set(body, 4 + text.byteLength)
  return bytes
}

/** The message that {@link encodeMessage} encoded. Both ends are ours and on one machine: nothing is checked. */
export function decodeMessage(bytes: Bytes): Message {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  const head: Message = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)))
  const body = bytes.slice(4 + length)
  if (head.kind === 'response') return { ...head, response: { ...head.response, body } }
  if (head.kind === 'piece') return { ...head, piece: body }
  if (head.kind === 'request' && body.byteLength > 0) return { ...head, request: { ...head.request, body } }
  return head
}

function split(message: Message): { head: object; body: Uint8Array } {
  if (message.kind === 'response') {
    const { body, ...response } = message.response
    return { head: { ...message, response }, body }
  }
  if (message.kind === 'piece') {
    const { piece, ...head } = message
    return { head, body: piece }
  }
  if (message.kind === 'request') {
    const { body = new Uint8Array(), ...request } = message.request
    return { head: { ...message, request }, body }
  }
  return { head: message, body: new Uint8Array() }
}
