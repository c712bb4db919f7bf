import { writeFileSync } from 'node:fs'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createOutbound, type OutboundOptions } from '../../relay/outbound.ts'
import { Unreachable } from '../../src/http/wire-exchange.ts'
import { createAuthority, type TestAuthority } from './certificates.ts'
import { bodyOf, jsonOf, onStop, startAdmittedTab, startTestRelay, stopAll, TestKey, temporaryDirectory, until } from './relay-fixture.ts'

let authority: TestAuthority
beforeAll(async () => {
  authority = await createAuthority()
})
afterEach(stopAll)

const soon = () => AbortSignal.timeout(10_000)
const version = { method: 'GET', uri: '/_matrix/federation/v1/version', headers: {} }

/** An HTTPS server on loopback with a certificate for `names`. */
async function serve(names: readonly string[], listener: RequestListener): Promise<string> {
  const server = createServer(await authority.issue(...names), listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onStop(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

function outboundWith(options: OutboundOptions) {
  const outbound = createOutbound({ trustedCa: [authority.certificate], ...options })
  onStop(outbound.close)
  return outbound
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of request) text += piece
  return text
}

const describeRequest: RequestListener = async (request, response) => {
  const body = await textOf(request)
  const { host, authorization, cookie } = request.headers
  response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'a=b', connection: 'keep-alive' })
  response.end(JSON.stringify({ method: request.method, url: request.url, host, authorization, cookie, body }))
}

describe('the way to ordinary servers', () => {
  test('sends the request as it was signed, with the Host header of the server', async () => {
    const address = await serve(['hs1.example'], describeRequest)
    const { send } = outboundWith({ resolve: { 'hs1.example': address } })
    const request = {
      method: 'PUT',
      uri: '/_matrix/federation/v1/send/1?x=%2F',
      headers: { authorization: 'X-Matrix abc', cookie: 'secret', 'content-type': 'application/json' },
      body: new TextEncoder().encode('{"pdus":[]}'),
    }
    const response = await send('hs1.example', request, soon())
    expect(await jsonOf(response)).toEqual({
      method: 'PUT',
      url: '/_matrix/federation/v1/send/1?x=%2F',
      host: 'hs1.example',
      authorization: 'X-Matrix abc',
      body: '{"pdus":[]}',
    })
    expect(response.headers).toEqual({ 'content-type': 'application/json' })
  })

  test('follows a delegation, through redirects, and asks for the certificate of the delegated name', async () => {
    const wellKnown = await serve(['example.org', 'www.example.org'], (request, response) => {
      if (request.headers.host === 'example.org') response.writeHead(308, { location: 'https://www.example.org/matrix.json' }).end()
      else response.end(JSON.stringify({ 'm.server': 'matrix.example.net:443' }))
    })
    const target = await serve(['matrix.example.net'], describeRequest)
    const resolve = { 'example.org:443': wellKnown, 'www.example.org:443': wellKnown, 'matrix.example.net:443': target }
    const response = await outboundWith({ resolve }).send('example.org', version, soon())
    expect(await jsonOf(response)).toMatchObject({ host: 'matrix.example.net:443', url: version.uri })
  })

  test('goes nowhere without a certificate for the right name from a trusted authority', async () => {
    const wrong = await serve(['other.example'], describeRequest)
    await expect(outboundWith({ resolve: { 'hs1.example': wrong } }).send('hs1.example', version, soon())).rejects.toThrow(Unreachable)
    const right = await serve(['hs1.example'], describeRequest)
    await expect(outboundWith({ resolve: { 'hs1.example': right }, trustedCa: [] }).send('hs1.example', version, soon())).rejects.toThrow(
      Unreachable,
    )
    expect((await outboundWith({ resolve: { 'hs1.example': right } }).send('hs1.example', version, soon())).status).toBe(200)
  })

  test('never leads to this machine or a private network, by a name, an address, a delegation or a redirect', async () => {
    let asked = 0
    const address = await serve(['localhost', '127.0.0.1'], (_request, response) => {
      asked++
      response.end('{}')
    })
    const port = address.split(':')[1]
    const evil = await serve(['evil.example', 'evil2.example'], (request, response) => {
      if (request.headers.host === 'evil.example') response.writeHead(302, { location: `https://localhost:${port}/` }).end()
      else response.end(JSON.stringify({ 'm.server': `localhost:${port}` }))
    })
    const { send } = outboundWith({ resolve: { 'evil.example:443': evil, 'evil2.example:443': evil, 'evil.example:8448': '127.0.0.1:1' } })
    for (const server of [`localhost:${port}`, address, `[::1]:${port}`, 'evil.example', 'evil2.example'])
      await expect(send(server, version, soon()), server).rejects.toThrow(Unreachable)
    expect(asked).toBe(0)
    const allowed = outboundWith({ allowPrivateAddresses: true })
    expect((await allowed.send(`localhost:${port}`, version, soon())).status).toBe(200)
    expect((await allowed.send(address, version, soon())).status).toBe(200)
    expect(asked).toBe(2)
  })

  test('cuts a response off that is larger than allowed, and gives a server up that does not answer', async () => {
    const address = await serve(['hs1.example'], (request, response) => {
      if (request.url === version.uri) response.end(Buffer.alloc(300_000))
    })
    const { send } = outboundWith({ resolve: { 'hs1.example': address }, maxResponseBytes: 100_000, timeoutMs: 300 })
    await expect(send('hs1.example', version, soon()).then(bodyOf)).rejects.toThrow(/exceeds|terminated/)
    await expect(send('hs1.example', { ...version, uri: '/_matrix/federation/v1/slow' }, soon())).rejects.toThrow('in time')
  })

  test('keeps connections open for the next request', async () => {
    const sockets = new Set<unknown>()
    const address = await serve(['hs1.example'], (request, response) => {
      sockets.add(request.socket)
      response.end('{}')
    })
    const { send } = outboundWith({ resolve: { 'hs1.example': address } })
    for (let count = 0; count < 5; count++) await bodyOf(await send('hs1.example', version, soon()))
    expect(sockets.size).toBe(1)
  })
})

describe('a tab reaches ordinary servers through its relay', () => {
  async function relayTo(address: string, config: Record<string, unknown> = {}) {
    const ca = join(temporaryDirectory(), 'ca.pem')
    writeFileSync(ca, authority.certificate)
    return startTestRelay({ resolve: { 'hs1.example': address }, trustedCaFiles: [ca], ...config })
  }

  test('in its own name', async () => {
    const { ready } = await relayTo(await serve(['hs1.example'], describeRequest))
    const tab = await startAdmittedTab({ relays: [ready] })
    await until(() => tab.transport.route('hs1.example') === 'https')
    for (const from of [tab.label, `${tab.label}.relay.example`, `${tab.label}.relay.example:8449`]) {
      const request = tab.key.request({
        from,
        to: 'hs1.example',
        method: 'PUT',
        uri: '/_matrix/federation/v1/send/1',
        content: { pdus: [] },
      })
      const response = await tab.transport.request('hs1.example', request, soon())
      expect(await jsonOf(response)).toMatchObject({
        host: 'hs1.example',
        body: '{"pdus":[]}',
        authorization: request.headers.authorization,
      })
    }
    expect((await tab.transport.request('hs1.example', { ...version, uri: '/_matrix/key/v2/server' }, soon())).status).toBe(200)
  })

  test('in no other name, unsigned for nothing but keys, and to no other API', async () => {
    let asked = 0
    const address = await serve(['hs1.example'], (_request, response) => {
      asked++
      response.end('{}')
    })
    const { ready } = await relayTo(address)
    const tab = await startAdmittedTab({ relays: [ready] })
    const signed = (from: string, to: string) =>
      tab.key.request({ from, to, method: 'PUT', uri: '/_matrix/federation/v1/send/1', content: {} })
    const refused = [
      signed('example.org', 'hs1.example'),
      signed(new TestKey().label, 'hs1.example'),
      signed(tab.label, 'hs2.example'),
      { method: 'GET', uri: '/_matrix/federation/v1/query/profile', headers: {} },
      { method: 'GET', uri: '/_matrix/client/v3/sync', headers: {} },
      { method: 'GET', uri: '/', headers: {} },
    ]
    for (const request of refused) {
      const response = await tab.transport.request('hs1.example', request, soon())
      expect(response.status).toBe(403)
      expect(await jsonOf(response)).toMatchObject({ errcode: 'M_FORBIDDEN' })
    }
    expect(asked).toBe(0)
  })

  test('in a name that the configuration gives it, or that delegates to it', async () => {
    const key = new TestKey()
    const wellKnown = await serve(['vanity.example'], (_request, response) => {
      response.end(JSON.stringify({ 'm.server': `${key.label}.relay.example:443` }))
    })
    const address = await serve(['hs1.example'], describeRequest)
    const { ready } = await relayTo(address, {
      names: { 'named.example': key.label },
      resolve: { 'hs1.example': address, 'vanity.example:443': wellKnown },
    })
    const tab = await startAdmittedTab({ relays: [ready], key })
    for (const from of ['named.example', 'vanity.example']) {
      const request = key.request({ from, to: 'hs1.example', method: 'GET', uri: '/_matrix/federation/v1/event/a' })
      expect((await tab.transport.request('hs1.example', request, soon())).status).toBe(200)
    }
    const other = await startAdmittedTab({ relays: [ready] })
    const stolen = other.key.request({ from: 'vanity.example', to: 'hs1.example', method: 'GET', uri: '/_matrix/federation/v1/event/a' })
    expect((await other.transport.request('hs1.example', stolen, soon())).status).toBe(403)
  })

  test('not more often than the limits say, and learns when a server cannot be reached', async () => {
    const { ready } = await relayTo('127.0.0.1:1', { limits: { outboundPerPeerPerMinute: 2 } })
    const tab = await startAdmittedTab({ relays: [ready] })
    await expect(tab.transport.request('hs1.example', version, soon())).rejects.toThrow('cannot be reached')
    await expect(tab.transport.request('10.0.0.1', version, soon())).rejects.toThrow('not on the public internet')
    expect((await tab.transport.request('hs1.example', version, soon())).status).toBe(429)
  })

  test('with responses that are streamed through', async () => {
    const film = Buffer.alloc(3 << 20, 5)
    const { ready } = await relayTo(
      await serve(['hs1.example'], (_request, response) => {
        response.writeHead(200, { 'content-type': 'video/mp4' }).end(film)
      }),
    )
    const tab = await startAdmittedTab({ relays: [ready] })
    const response = await tab.transport.request('hs1.example', version, soon())
    expect(response.body).toBeInstanceOf(ReadableStream)
    expect(Buffer.compare(await bodyOf(response), film)).toBe(0)
  })
})
