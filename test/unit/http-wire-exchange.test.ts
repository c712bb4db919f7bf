import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { ByteBudget } from '../../src/http/byte-budget.ts'
import { createExchangePool, type ExchangePool } from '../../src/http/exchange-pool.ts'
import { FrameChannel } from '../../src/http/frame-channel.ts'
import { type ExchangeServer, serveExchanges, Unreachable } from '../../src/http/wire-exchange.ts'
import { encodeFrame, FrameDecoder, type FrameKind, maxFrameBytes, ProtocolError } from '../../src/http/wire-frame.ts'
import { decodeRequestHead, encodeHead } from '../../src/http/wire-head.ts'
import type { WireResponse } from '../../src/ports/federation-transport.ts'
import { byteStreamPair, type MemoryByteStream } from './byte-stream-pair.ts'

type Bytes = Uint8Array<ArrayBuffer>

const echo: ExchangeServer = {
  maxBodyBytes: 4 << 20,
  handle: async (to, request) => ({ status: 200, headers: { 'x-to': to, 'x-uri': request.uri }, body: request.body ?? new Uint8Array() }),
}
const get = { method: 'GET', uri: '/_matrix/federation/v1/version', headers: {} }
const never = new AbortController().signal

function connect(server: ExchangeServer, cut?: () => number): { pool: ExchangePool; streams: MemoryByteStream[] } {
  const streams: MemoryByteStream[] = []
  const pool = createExchangePool(async () => {
    const [ours, theirs] = byteStreamPair(cut)
    streams.push(ours)
    void serveExchanges(new FrameChannel(theirs), server)
    return ours
  })
  return { pool, streams }
}

async function bodyOf(response: WireResponse): Promise<Bytes> {
  return response.body instanceof Uint8Array ? response.body : new Uint8Array(await new Response(response.body).arrayBuffer())
}

describe('frames', () => {
  const kinds = fc.constantFrom<FrameKind>('head', 'body', 'end', 'credit')
  const frames = fc.array(fc.record({ kind: kinds, payload: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 10 })

  test('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(frames, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (sent, sizes) => {
        const bytes = sent.flatMap(({ kind, payload }) => [...encodeFrame(kind, payload)])
        const decoder = new FrameDecoder()
        const got = []
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value ?? 1
          got.push(...decoder.push(Uint8Array.from(bytes.slice(at, at + size))))
          at += size
        }
        expect(got).toEqual(sent)
      }),
    )
  })

  test('that are too large or of no known kind are refused before memory is taken for them', () => {
    expect(() => new FrameDecoder().push(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1))).toThrow(ProtocolError)
    expect(() => new FrameDecoder().push(Uint8Array.of(0, 0, 0, 1, 9, 0))).toThrow(ProtocolError)
    expect(() => encodeFrame('body', new Uint8Array(maxFrameBytes + 1))).toThrow()
  })

  test('of nonsense never do worse than a ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        try {
          new FrameDecoder().push(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
    )
  })
})

describe('heads', () => {
  const head = { to: 'example.org', method: 'GET', uri: '/x', headers: { authorization: 'X-Matrix' } }
  const bad = [
    { ...head, to: 'no server' },
    { ...head, method: 'CONNECT' },
    { ...head, uri: 'http://elsewhere/' },
    { ...head, uri: '/a b' },
    { ...head, headers: { 'x-a': 'one\r\nx-b: two' } },
    { ...head, headers: { 'X-Upper': 'a' } },
    { ...head, headers: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`x-${index}`, ''])) },
  ]

  test('are read as written', () => expect(decodeRequestHead(encodeHead(head))).toEqual(head))

  test.each(bad)('out of bounds are refused: %j', (wrong) => {
    expect(() => decodeRequestHead(encodeHead(wrong))).toThrow(ProtocolError)
  })
})

describe('exchanges', () => {
  test('carry any body both ways, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.integer({ min: 1, max: 700 }), async (body, cut) => {
        const { pool } = connect(echo, () => cut)
        const response = await pool.request({
          to: 'a.example',
          request: { ...get, method: 'PUT', body: Uint8Array.from(body) },
          signal: never,
        })
        expect(response.status).toBe(200)
        expect(response.headers).toEqual({ 'x-to': 'a.example', 'x-uri': get.uri })
        expect(await bodyOf(response)).toEqual(Uint8Array.from(body))
      }),
      { numRuns: 40 },
    )
  })

  test('reuse a stream one after the other, and take further streams only when several run at once', async () => {
    const { pool, streams } = connect(echo)
    for (let count = 0; count < 5; count++) await pool.request({ to: 'a.example', request: get, signal: never })
    expect(streams).toHaveLength(1)
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => pool.request({ to: `${index}.example`, request: get, signal: never })),
    )
    expect(answers.map(({ headers }) => headers['x-to'])).toEqual(answers.map((_, index) => `${index}.example`))
    expect(streams.length).toBeLessThanOrEqual(32)
  })

  test('hand over a large body as a stream that flows no faster than it is read', async () => {
    const size = 6 << 20
    let produced = 0
    const body = (): ReadableStream<Bytes> =>
      new ReadableStream({
        pull: (controller) => {
          if (produced >= size) return controller.close()
          produced += 10_000
          controller.enqueue(new Uint8Array(10_000))
        },
      })
    const { pool, streams } = connect({ ...echo, handle: async () => ({ status: 200, headers: {}, body: body() }) })
    const response = await pool.request({ to: 'a.example', request: get, signal: never })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(produced).toBeLessThan(1 << 20)
    expect(streams[0]?.received).toBeLessThan(1 << 20)
    expect((await bodyOf(response)).byteLength).toBe(produced)
    const { body: next } = await pool.request({ to: 'a.example', request: get, signal: never })
    if (next instanceof ReadableStream) await next.cancel()
    expect(streams).toHaveLength(1)
  })

  test('are answered 413 when the body is larger than the server takes', async () => {
    const { pool } = connect({ ...echo, maxBodyBytes: 1000 })
    const response = await pool.request({
      to: 'a.example',
      request: { ...get, method: 'PUT', body: new Uint8Array(2 << 20) },
      signal: never,
    })
    expect(response.status).toBe(413)
    expect(JSON.parse(new TextDecoder().decode(await bodyOf(response)))).toMatchObject({ errcode: 'M_TOO_LARGE' })
    expect((await pool.request({ to: 'a.example', request: get, signal: never })).status).toBe(200)
  })

  test('share the memory for their bodies, and give it back', async () => {
    const hold = Promise.withResolvers<void>()
    const started = Promise.withResolvers<void>()
    const budget = new ByteBudget(100_000)
    const handle: ExchangeServer['handle'] = async (to, request, signal) => {
      started.resolve()
      await hold.promise
      return echo.handle(to, request, signal)
    }
    const { pool } = connect({ ...echo, budget, handle })
    const put = { ...get, method: 'PUT', body: new Uint8Array(60_000) }
    const first = pool.request({ to: 'a.example', request: put, signal: never })
    await started.promise
    const second = await pool.request({ to: 'a.example', request: put, signal: never })
    expect(second.status).toBe(429)
    hold.resolve()
    expect((await first).status).toBe(200)
    expect((await pool.request({ to: 'a.example', request: put, signal: never })).status).toBe(200)
    await vi.waitFor(() => expect(budget.take(100_000)).toBe(true))
  })

  test('say that a server is unreachable, and the stream goes on', async () => {
    const { pool, streams } = connect({ ...echo, handle: (to) => Promise.reject(new Unreachable(`no way to ${to}`)) })
    for (let count = 0; count < 3; count++)
      await expect(pool.request({ to: 'a.example', request: get, signal: never })).rejects.toThrow(new Unreachable('no way to a.example'))
    expect(streams).toHaveLength(1)
  })

  test('do not tell the other side what went wrong inside', async () => {
    const { pool } = connect({ ...echo, handle: () => Promise.reject(new Error('secret')) })
    await expect(pool.request({ to: 'a.example', request: get, signal: never })).rejects.toThrow('The request failed')
  })

  test('that are given up end the work on the other side', async () => {
    const gone = Promise.withResolvers<void>()
    const { pool } = connect({
      ...echo,
      handle: (_to, _request, signal) => new Promise(() => signal.addEventListener('abort', () => gone.resolve())),
    })
    const controller = new AbortController()
    const asked = pool.request({ to: 'a.example', request: get, signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 10)
    await expect(asked).rejects.toThrow('enough')
    await gone.promise
  })

  test('wait for their turn, and stop waiting when they are given up', async () => {
    const hold = Promise.withResolvers<void>()
    const { pool } = connect({ ...echo, handle: (to, request, signal) => hold.promise.then(() => echo.handle(to, request, signal)) })
    const running = Array.from({ length: 32 }, () => pool.request({ to: 'a.example', request: get, signal: never }))
    const late = pool.request({ to: 'b.example', request: get, signal: AbortSignal.timeout(20) })
    const next = pool.request({ to: 'c.example', request: get, signal: never })
    await expect(late).rejects.toThrow()
    hold.resolve()
    await Promise.all(running)
    expect((await next).status).toBe(200)
  })

  test('end when the peer floods the stream without credit', async () => {
    const [ours, theirs] = byteStreamPair()
    const channel = new FrameChannel(ours)
    for (let count = 0; count < 20; count++) theirs.send(encodeFrame('body', new Uint8Array(maxFrameBytes)))
    await channel.closed
    expect(channel.isOpen).toBe(false)
  })

  test('end when the peer sends something else than the protocol', async () => {
    const [ours, theirs] = byteStreamPair()
    const served = serveExchanges(new FrameChannel(ours), echo)
    theirs.send(encodeFrame('head', new TextEncoder().encode('{"to":1}')))
    await served
    expect(() => theirs.send(new Uint8Array(1))).toThrow('reset')
  })
})
