import { expect, test } from 'vitest'
import { MessageLink } from '../../headless/message-link.ts'
import type { WireResponse } from '../../src/ports/federation-transport.ts'

const asked = { surface: 'federation', address: '', to: 'a.example', request: { method: 'GET', uri: '/', headers: {} } } as const

/** A link whose other end answers so; `ends` are both of it. */
function linked(answer: (signal: AbortSignal) => WireResponse) {
  const near: MessageLink = new MessageLink(
    (bytes) => far.receive(bytes),
    () => Promise.reject(new Error('nobody asks here')),
  )
  const far: MessageLink = new MessageLink(
    (bytes) => near.receive(bytes),
    async (_request, signal) => answer(signal),
  )
  return near
}

/** A body in pieces, which a test sends one by one. */
function body() {
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>()
  return { readable, writer: writable.getWriter() }
}

const head = { status: 200, headers: { 'x-y': 'z' } }
const never = new AbortController().signal

test('a body that is there whole comes whole', async () => {
  const response = await linked(() => ({ ...head, body: Uint8Array.of(1, 2) })).request(asked, never)
  expect(response).toEqual({ ...head, body: Uint8Array.of(1, 2) })
})

test('a body that is a stream comes piece by piece, before its end is there', async () => {
  const { readable, writer } = body()
  const response = await linked(() => ({ ...head, body: readable })).request(asked, never)
  if (response.body instanceof Uint8Array) throw new Error('it came whole')
  const reader = response.body.getReader()
  await writer.write(Uint8Array.of(1))
  expect(await reader.read()).toEqual({ done: false, value: Uint8Array.of(1) })
  await writer.write(Uint8Array.of(2, 3))
  expect(await reader.read()).toEqual({ done: false, value: Uint8Array.of(2, 3) })
  await writer.close()
  expect(await reader.read()).toEqual({ done: true, value: undefined })
})

test.each([
  ['breaks', (writer: WritableStreamDefaultWriter, _link: MessageLink) => writer.abort(new Error('broken'))],
  ['is cut off with the link', (_writer: WritableStreamDefaultWriter, link: MessageLink) => link.close()],
])('a body that %s is no whole body', async (_how, end) => {
  const { readable, writer } = body()
  const link = linked(() => ({ ...head, body: readable }))
  const response = await link.request(asked, never)
  await writer.write(Uint8Array.of(1))
  await end(writer, link)
  await expect(new Response(response.body).arrayBuffer()).rejects.toThrow()
})

test('a body that nobody reads any more is not sent on', async () => {
  const { readable, writer } = body()
  const response = await linked(() => ({ ...head, body: readable })).request(asked, never)
  if (response.body instanceof Uint8Array) throw new Error('it came whole')
  await response.body.cancel()
  await expect(writer.closed).rejects.toThrow()
})
