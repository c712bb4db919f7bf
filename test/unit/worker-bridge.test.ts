import { describe, expect, it, onTestFinished } from 'vitest'
import { BridgeLink } from '../../worker/bridge-link.ts'
import { serveBridge } from '../../worker/bridge-server.ts'
import { wholeOrStream } from '../../worker/port-body.ts'
import type { BridgeRequest, FromHomeserver } from '../../worker/protocol.ts'
import { Replays } from '../../worker/replays.ts'
import { Vouching } from '../../worker/vouching.ts'

type Answer = (request: BridgeRequest, signal: AbortSignal) => Promise<Response>

const plain = {
  method: 'GET',
  url: 'http://x/_matrix/a',
  headers: [],
  body: undefined,
  clientId: 'page',
  vouched: false,
  requestId: undefined,
}
const never = new AbortController().signal

async function connect(answer: Answer, pass: () => Promise<void> = async () => undefined): Promise<BridgeLink> {
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => port1.close())
  const greeted = new Promise<FromHomeserver>((resolve) => {
    port2.onmessage = ({ data }) => resolve(data)
  })
  await serveBridge(port1, { hello: { type: 'hello', worker: 'w', epoch: 1 }, answer, pass })
  const hello = await greeted
  if (hello.type !== 'hello') throw new Error('no hello')
  return new BridgeLink(port2, hello)
}

async function answered(link: BridgeLink, request: Partial<typeof plain> = {}) {
  const outcome = await link.exchange({ ...plain, ...request }, never)
  if (outcome === 'lost') throw new Error('lost')
  return outcome
}

describe('the bridge between service worker and homeserver worker', () => {
  it('carries status, headers and body', async () => {
    const link = await connect(async ({ url }) => new Response(url, { status: 201, headers: { 'x-a': 'b' } }))
    const { status, headers, body } = await answered(link)
    expect([status, Object.fromEntries(headers)['x-a'], new TextDecoder().decode(body instanceof Uint8Array ? body : undefined)]).toEqual([
      201,
      'b',
      plain.url,
    ])
  })

  it('carries a large body as a stream', async () => {
    const link = await connect(async () => new Response(new Uint8Array(3_000_000)))
    const { body } = await answered(link)
    expect(body).toBeInstanceOf(ReadableStream)
    expect((await new Response(body).arrayBuffer()).byteLength).toBe(3_000_000)
  })

  it('aborts in the homeserver what was given up at the page', async () => {
    const aborted = Promise.withResolvers<string>()
    const link = await connect((_request, signal) => {
      signal.addEventListener('abort', () => aborted.resolve('aborted'))
      return new Promise(() => undefined)
    })
    const controller = new AbortController()
    const given = link.exchange(plain, controller.signal)
    controller.abort(new Error('gone'))
    await expect(given).rejects.toThrow('gone')
    expect(await aborted.promise).toBe('aborted')
  })

  it('loses what is pending when it ends, and all that comes after', async () => {
    const link = await connect(() => new Promise(() => undefined))
    const pending = link.exchange(plain, never)
    link.end()
    expect([await pending, await link.exchange(plain, never)]).toEqual(['lost', 'lost'])
  })

  it('says nothing once the homeserver may no longer speak: what it had answered is lost', async () => {
    let mayPass = true
    const link = await connect(
      async () => {
        mayPass = false
        return Response.json({})
      },
      () => (mayPass ? Promise.resolve() : Promise.reject(new Error('fenced'))),
    )
    const outcome = await Promise.race([link.exchange(plain, never), new Promise((resolve) => setTimeout(() => resolve('silence'), 300))])
    expect(['lost', 'silence']).toContain(outcome)
  })
})

describe('a body on its way across a port', () => {
  it.each([0, 1, 1 << 20])('is whole at %d bytes', async (length) => {
    const body = await wholeOrStream(new Response(new Uint8Array(length)).body)
    expect(body instanceof Uint8Array && body.length).toBe(length)
  })

  it('keeps the order and all of a long stream of pieces', async () => {
    let n = 0
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => (n < 300 ? controller.enqueue(new Uint8Array(10_000).fill(n++)) : controller.close()),
    })
    const bytes = new Uint8Array(await new Response(await wholeOrStream(source)).arrayBuffer())
    expect(bytes.length).toBe(3_000_000)
    expect(bytes.every((byte, index) => byte === Math.floor(index / 10_000) % 256)).toBe(true)
  })

  it('passes on why it broke off', async () => {
    let n = 0
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => (n++ < 3 ? controller.enqueue(new Uint8Array(600_000)) : controller.error(new Error('cut'))),
    })
    await expect(new Response(await wholeOrStream(source)).arrayBuffer()).rejects.toThrow('cut')
  })
})

describe('repeated requests', () => {
  it('run once, also while the first is still running', async () => {
    const replays = new Replays()
    let runs = 0
    const run = async () => Response.json({ run: ++runs }, { status: 201 })
    const answers = await Promise.all([replays.once('a', run), replays.once('a', run), replays.once('b', run)])
    expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual([{ run: 1 }, { run: 1 }, { run: 2 }])
    expect((await replays.once('a', run)).status).toBe(201)
    expect(runs).toBe(2)
  })

  it('run again when they failed without an answer', async () => {
    const replays = new Replays()
    await expect(replays.once('a', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect((await replays.once('a', async () => new Response(null, { status: 204 }))).status).toBe(204)
  })
})

describe('vouching', () => {
  const bearer = (token: string): BridgeRequest => ({ ...plain, type: 'request', id: 1, headers: [['authorization', `Bearer ${token}`]] })
  const image: BridgeRequest = { ...plain, type: 'request', id: 2, vouched: true }

  it('lends an image its page’s last good token, and no other page’s', () => {
    const vouching = new Vouching()
    expect(vouching.headersFor(image).has('authorization')).toBe(false)
    vouching.note(bearer('good'), 200)
    vouching.note(bearer('dead'), 401)
    expect(vouching.headersFor(image).get('authorization')).toBe('Bearer good')
    expect(vouching.headersFor({ ...image, clientId: 'other' }).has('authorization')).toBe(false)
    expect(vouching.headersFor({ ...image, vouched: false }).has('authorization')).toBe(false)
  })

  it('ends with the token', () => {
    const vouching = new Vouching()
    vouching.note(bearer('good'), 200)
    vouching.note(bearer('good'), 401)
    expect(vouching.headersFor(image).has('authorization')).toBe(false)
  })

  it('does not let an image prolong it', () => {
    const vouching = new Vouching()
    vouching.note({ ...image, headers: [['authorization', 'Bearer x']] }, 200)
    expect(vouching.headersFor(image).has('authorization')).toBe(false)
  })
})
