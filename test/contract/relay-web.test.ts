import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createWeb } from '../../relay/web.ts'
import type { WireResponse } from '../../src/ports/federation-transport.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { createAuthority, type TestAuthority } from './certificates.ts'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { bodyOf, jsonOf, onStop, startAdmittedTab, startTestRelay, stopAll, temporaryDirectory, until } from './relay-fixture.ts'

let authority: TestAuthority
beforeAll(async () => {
  authority = await createAuthority()
})
afterEach(stopAll)

const soon = () => AbortSignal.timeout(10_000)

/** A server on loopback, with TLS unless told: its origin. */
async function serve(listener: RequestListener, isPlain = false): Promise<string> {
  const server = isPlain ? createHttpServer(listener) : createServer(await authority.issue('localhost'), listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onStop(() => {
    server.closeAllConnections()
    server.close()
  })
  return `${isPlain ? 'http' : 'https'}://localhost:${(server.address() as AddressInfo).port}`
}

function webWith(allowPrivateAddresses: boolean) {
  const web = createWeb({ trustedCa: [authority.certificate], allowPrivateAddresses })
  onStop(web.close)
  return (uri: string, body: JsonObject): Promise<WireResponse> =>
    web.answer({ method: 'POST', uri, headers: {}, body: new TextEncoder().encode(JSON.stringify(body)) }, soon())
}

const html =
  (body: string): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(body)
  }

describe('the relay', () => {
  test('reads a page, with or without TLS, through redirects, in the language asked for', async () => {
    const ask = webWith(true)
    const page = await serve((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: '/page' }).end()
      else html(`<title>${request.headers['accept-language']}</title><img src="a.png">`)(request, response)
    }, true)
    const answer = await ask('/web/preview', { url: `${page}/moved`, language: 'de' })
    expect(await jsonOf(answer)).toEqual({ 'og:title': 'de', 'og:image': `${page}/a.png` })
  })

  test('fetches nothing from private addresses, by name, by number or by redirect, and nothing that is not of the web', async () => {
    let asked = 0
    const inside = await serve((_request, response) => {
      asked++
      response.end()
    }, true)
    const ask = webWith(false)
    const { port } = new URL(inside)
    for (const url of [
      inside,
      `http://127.0.0.1:${port}/`,
      `http://[::1]:${port}/`,
      'http://169.254.169.254/',
      'http://u:p@page.example/',
    ]) {
      expect((await ask('/web/preview', { url })).status).toBe(403)
      expect((await ask('/web/image', { url })).status).toBe(403)
    }
    expect((await ask('/web/preview', { url: 'file:///etc/passwd' })).status).toBe(403)
    expect((await ask('/web/push', { url: `https://127.0.0.1:${port}/_matrix/push/v1/notify`, body: {} })).status).toBe(403)
    expect(asked).toBe(0)
  })

  test('reads no more of a page than a megabyte, no image that is larger than ten, and follows five redirects', async () => {
    const ask = webWith(true)
    const server = await serve((request, response) => {
      if (request.url === '/loop') {
        response.writeHead(302, { location: '/loop' }).end()
        return
      }
      const isImage = request.url === '/image'
      response.writeHead(200, { 'content-type': isImage ? 'image/png' : 'text/html' })
      response.write('<title>Long</title>')
      const piece = Buffer.alloc(1 << 20, ' ')
      const more = () => {
        while (response.write(piece));
      }
      response.on('drain', more)
      more()
    }, true)
    expect(await jsonOf(await ask('/web/preview', { url: `${server}/` }))).toEqual({ 'og:title': 'Long' })
    expect((await ask('/web/image', { url: `${server}/image` })).status).toBe(403)
    expect((await ask('/web/preview', { url: `${server}/loop` })).status).toBe(403)
  })

  test('hands over images alone, and answers for what is not there', async () => {
    const ask = webWith(true)
    const server = await serve((request, response) => {
      response.writeHead(request.url === '/gone' ? 404 : 200, { 'content-type': request.url === '/a.png' ? 'image/png' : 'image/svg+xml' })
      response.end('picture')
    }, true)
    const image = await ask('/web/image', { url: `${server}/a.png` })
    expect([image.headers['content-type'], new TextDecoder().decode(await bodyOf(image))]).toEqual(['image/png', 'picture'])
    expect(await jsonOf(await ask('/web/preview', { url: `${server}/a.png` }))).toEqual({ 'og:image': `${server}/a.png` })
    expect((await ask('/web/image', { url: `${server}/a.svg` })).status).toBe(502)
    expect((await ask('/web/preview', { url: `${server}/gone` })).status).toBe(502)
    expect((await ask('/web/preview', { url: 1 })).status).toBe(400)
    expect((await ask('/web/other', {})).status).toBe(404)
  })
})

/** What a push gateway was told, and what it answers. */
class Gateway {
  readonly told: JsonObject[] = []
  rejected: string[] = []
  status = 200
  url = ''

  async start(): Promise<this> {
    const origin = await serve(async (request, response) => {
      let text = ''
      for await (const piece of request) text += piece
      if (this.status === 200) this.told.push(JSON.parse(text).notification)
      response.writeHead(this.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ rejected: this.rejected }))
    })
    this.url = `${origin}/_matrix/push/v1/notify`
    return this
  }
}

describe('a homeserver in a tab, through its relay', () => {
  let home: InProcessHomeserver

  async function start(): Promise<void> {
    const caFile = join(temporaryDirectory(), 'ca.pem')
    writeFileSync(caFile, authority.certificate)
    const { ready } = await startTestRelay({ allowPrivateAddresses: true, trustedCaFiles: [caFile] })
    const tab = await startAdmittedTab({ relays: [ready] })
    const network = new InProcessNetwork(tab.transport.request)
    home = await network.start('home.example')
    onStop(() => network.stop())
  }

  async function ask(token: string, method: string, path: string, body?: object): Promise<JsonObject> {
    const init = { method, headers: { authorization: `Bearer ${token}` }, ...(body ? { body: JSON.stringify(body) } : {}) }
    const response = await home.fetch(`http://home.example/_matrix/client${path}`, init)
    const answer: JsonObject = await response.json()
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`)
    return answer
  }

  async function register(username: string): Promise<string> {
    const body = { username, password: 'wonderland-7', auth: { type: 'm.login.dummy' } }
    return String((await ask('', 'POST', '/v3/register', body)).access_token)
  }

  const pusher = (gateway: Gateway, data: JsonObject = {}) => ({
    kind: 'http',
    pushkey: 'key',
    app_id: 'org.example',
    app_display_name: 'app',
    device_display_name: 'phone',
    lang: 'en',
    data: { url: gateway.url, ...data },
  })

  let sent = 0
  const send = (token: string, roomId: string, body: string, more: JsonObject = {}) =>
    ask(token, 'PUT', `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${++sent}`, { msgtype: 'm.text', body, ...more })

  /** A room of the two, in which Alice is pushed. */
  async function room(alice: string, bob: string): Promise<string> {
    const { room_id: roomId } = await ask(bob, 'POST', '/v3/createRoom', { preset: 'public_chat', name: 'Tea' })
    await ask(alice, 'POST', `/v3/join/${encodeURIComponent(String(roomId))}`, {})
    return String(roomId)
  }

  test('tells the gateway of messages as push rules say, and of the count once they are read', async () => {
    await start()
    const [alice, bob] = [await register('alice'), await register('bob')]
    const roomId = await room(alice, bob)
    const gateway = await new Gateway().start()
    await ask(alice, 'POST', '/v3/pushers/set', pusher(gateway, { brand: 'x' }))
    await send(alice, roomId, 'my own')
    const { event_id: eventId } = await send(bob, roomId, 'hello alice', { 'm.mentions': { user_ids: ['@alice:home.example'] } })
    await until(() => gateway.told.length === 1)
    expect(gateway.told[0]).toMatchObject({
      event_id: eventId,
      room_id: roomId,
      type: 'm.room.message',
      sender: '@bob:home.example',
      room_name: 'Tea',
      content: { body: 'hello alice' },
      prio: 'high',
      counts: { unread: 1 },
      devices: [{ app_id: 'org.example', pushkey: 'key', data: { brand: 'x' }, tweaks: { highlight: true } }],
    })
    await ask(alice, 'POST', `/v3/rooms/${encodeURIComponent(roomId)}/receipt/m.read/${encodeURIComponent(String(eventId))}`, {})
    await until(() => gateway.told.length === 2)
    expect(gateway.told[1]).toEqual({ devices: [expect.objectContaining({ pushkey: 'key' })] })
  })

  test('tells no more than the event id where the pusher says so, and comes again after a failure', async () => {
    await start()
    const [alice, bob] = [await register('alice'), await register('bob')]
    const roomId = await room(alice, bob)
    const gateway = await new Gateway().start()
    await ask(alice, 'POST', '/v3/pushers/set', pusher(gateway, { format: 'event_id_only' }))
    gateway.status = 500
    const { event_id: first } = await send(bob, roomId, 'one')
    const { event_id: second } = await send(bob, roomId, 'two')
    gateway.status = 200
    await until(() => gateway.told.length === 2)
    expect(gateway.told.map(({ event_id: id }) => id)).toEqual([first, second])
    expect(Object.keys(gateway.told[0] ?? {}).sort()).toEqual(['counts', 'devices', 'event_id', 'room_id'])
  })

  test('removes a pusher whose key is rejected, and one whose device logs out', async () => {
    await start()
    const [alice, bob] = [await register('alice'), await register('bob')]
    const roomId = await room(alice, bob)
    const gateway = await new Gateway().start()
    gateway.rejected = ['key']
    await ask(alice, 'POST', '/v3/pushers/set', pusher(gateway))
    await send(bob, roomId, 'one')
    await until(async () => (await ask(alice, 'GET', '/v3/pushers')).pushers?.toString() === '')
    await send(bob, roomId, 'two')
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'wonderland-7' }
    const other = String((await ask('', 'POST', '/v3/login', login)).access_token)
    await ask(other, 'POST', '/v3/pushers/set', pusher(gateway))
    await ask(other, 'POST', '/v3/logout', {})
    expect((await ask(alice, 'GET', '/v3/pushers')).pushers).toEqual([])
    expect(gateway.told.length).toBe(1)
  })

  test('shows previews of pages, with their images', async () => {
    await start()
    const alice = await register('alice')
    const site = await serve((request, response) => {
      if (request.url !== '/a.png') return html('<meta property="og:title" content="Page"><img src="a.png">')(request, response)
      response.writeHead(200, { 'content-type': 'image/png' })
      response.end('picture')
    })
    const preview = await ask(alice, 'GET', `/v1/media/preview_url?url=${encodeURIComponent(site)}`)
    expect(preview).toMatchObject({
      'og:title': 'Page',
      'matrix:image:size': 7,
      'og:image': expect.stringMatching(/^mxc:\/\/home.example/),
    })
  })
})
