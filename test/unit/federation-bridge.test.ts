import { afterEach, describe, expect, test, vi } from 'vitest'
import { labelOfPublicKey } from '../../src/spec/self-certifying.ts'
import { connectFederation, connectHomeserver, type HomeserverEnd, type WindowEnd } from '../../worker/federation-bridge.ts'

const get = { method: 'GET', uri: '/_matrix/federation/v1/version', headers: { authorization: 'X-Matrix' } }
const never = new AbortController().signal
const channels: MessageChannel[] = []

afterEach(() => {
  for (const { port1, port2 } of channels.splice(0)) {
    port1.close()
    port2.close()
  }
})

function connect(ends: { homeserver?: Partial<HomeserverEnd>; window?: Partial<WindowEnd> }) {
  const unused = () => Promise.reject(new Error('not expected'))
  const channel = new MessageChannel()
  channels.push(channel)
  return {
    transport: connectFederation(channel.port1, { handle: unused, sign: unused, superseded: vi.fn(), ...ends.homeserver }),
    link: connectHomeserver(channel.port2, { request: unused, ...ends.window }),
  }
}

describe('the federation port', () => {
  test('carries requests both ways, bodies included', async () => {
    const { transport, link } = connect({
      window: { request: async (to, { body }) => ({ status: 200, headers: { 'x-to': to }, body: body ?? new Uint8Array() }) },
      homeserver: {
        handle: async ({ address, request }) => ({
          status: 404,
          headers: { 'x-from': address },
          body: new TextEncoder().encode(request.uri),
        }),
      },
    })
    const body = Uint8Array.of(1, 2, 3)
    expect(await transport.request('a.example', { ...get, method: 'PUT', body }, never)).toEqual({
      status: 200,
      headers: { 'x-to': 'a.example' },
      body,
    })
    expect(body).toHaveLength(3)
    const answer = await link.handle({ surface: 'federation', address: 'peer', request: get }, never)
    expect(answer).toEqual({ status: 404, headers: { 'x-from': 'peer' }, body: new TextEncoder().encode(get.uri) })
  })

  test('transfers a body that is a stream, with its back-pressure', async () => {
    let produced = 0
    const stream = (): ReadableStream<Uint8Array<ArrayBuffer>> =>
      new ReadableStream({
        pull: (controller) => (produced++ < 50 ? controller.enqueue(new Uint8Array(1000)) : controller.close()),
      })
    const { transport } = connect({ window: { request: async () => ({ status: 200, headers: {}, body: stream() }) } })
    const { body } = await transport.request('a.example', get, never)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(produced).toBeLessThan(10)
    expect((await new Response(body).arrayBuffer()).byteLength).toBe(50_000)
  })

  test('aborts on the other side what was given up on this one', async () => {
    const gone = Promise.withResolvers<void>()
    const { transport } = connect({
      window: { request: (_to, _request, signal) => new Promise(() => signal.addEventListener('abort', () => gone.resolve())) },
    })
    const controller = new AbortController()
    const asked = transport.request('a.example', get, controller.signal)
    setTimeout(() => controller.abort(new Error('enough')), 10)
    await expect(asked).rejects.toThrow('enough')
    await gone.promise
  })

  test('rejects with what the window says when a server cannot be reached', async () => {
    const { transport } = connect({ window: { request: () => Promise.reject(new Error('no route')) } })
    await expect(transport.request('a.example', get, never)).rejects.toThrow('no route')
  })

  test('signs what libp2p signs, and no event or request', async () => {
    const sign = vi.fn(async () => new Uint8Array(64))
    const { link } = connect({ homeserver: { sign } })
    const encode = (text: string) => new TextEncoder().encode(text)
    expect(await link.sign(encode('noise-libp2p-static-key:abc'))).toHaveLength(64)
    for (const refused of ['{"method":"PUT"}', '{"auth_events":[]}', '', 'noise'])
      await expect(link.sign(encode(refused))).rejects.toThrow('no such thing')
    expect(sign).toHaveBeenCalledTimes(1)
  })

  test('tells routes and reachable servers, and knows none for a self-certifying name before it is told', async () => {
    const { transport, link } = connect({})
    const label = labelOfPublicKey(new Uint8Array(32))
    const seen = Promise.withResolvers<string>()
    const stop = transport.onReachable(seen.resolve)
    expect(transport.route('example.org')).toBe('queued')
    link.routeChanged('*', 'https')
    link.routeChanged('near.example', 'direct')
    link.reachable('near.example')
    expect(await seen.promise).toBe('near.example')
    stop()
    expect(transport.route('example.org')).toBe('https')
    expect(transport.route('near.example')).toBe('direct')
    expect(transport.route(label)).toBe('queued')
  })
})
