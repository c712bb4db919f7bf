import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { signingBytes } from '../../src/spec/signing.ts'
import { formatXMatrix, requestSigningObject } from '../../src/spec/x-matrix.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { type Party, party, selfCertifyingSigner, within, world } from './federation-party.ts'

const path = '/_matrix/test/hello?a=b%20c'

async function signedHeader(
  signer: ReturnType<typeof nodeSigner>,
  to: string,
  request: { method?: string; uri?: string; content?: JsonObject; origin?: string; signedFor?: string } = {},
): Promise<string> {
  const { method = 'PUT', uri = path, content, origin = signer.serverName, signedFor = to } = request
  const object = requestSigningObject({ method, uri, origin, destination: signedFor, ...(content ? { content } : {}) })
  return formatXMatrix({ origin, destination: to, keyId: signer.keyId, signature: await signer.sign(signingBytes(object)) })
}

async function put(to: Party, authorization: string | undefined, body: JsonObject = {}) {
  const headers = { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) }
  const request = new Request(`https://b.example${path}`, { method: 'PUT', headers, body: JSON.stringify(body) })
  const response = await within(to, 30_000, to.handler(request, { trusted: false, address: 'test', uri: path }))
  return { status: response.status, body: await response.json() }
}

function pair() {
  const at = world()
  return { at, alice: party(at, nodeSigner('a.example')), bob: party(at, nodeSigner('b.example')) }
}

const unauthorised = { status: 401, body: { errcode: 'M_UNAUTHORIZED' } }

describe('a request of another server', () => {
  test('is known by its signature, the key being fetched when it is new', async () => {
    const { alice, bob } = pair()
    const answer = within(bob, 20_000, alice.client.json('b.example', { method: 'PUT', path: ['test', 'é/?'], body: { n: 1 } }))
    expect(await answer).toEqual({ server: 'a.example', body: { n: 1 } })
    expect(bob.heard).toEqual(['a.example'])
  })

  test('needs no fetching of a key where the name certifies itself', async () => {
    const at = world()
    const alice = party(at, selfCertifyingSigner('alice'))
    const bob = party(at, nodeSigner('b.example'))
    await within(at, 20_000, alice.client.json('b.example', { method: 'PUT', path: ['test', 'x'], body: {} }))
    expect(bob.requests).toEqual([])
  })

  test('is refused without a signature, and with one that is malformed', async () => {
    const { bob } = pair()
    for (const header of [
      undefined,
      '',
      'Bearer abc',
      'X-Matrix',
      'X-Matrix origin=a.example',
      'X-Matrix origin="a.example",key="ed25519:1",sig="AAAA"',
    ]) {
      expect(await put(bob, header)).toMatchObject(unauthorised)
    }
    expect(bob.heard).toEqual([])
  })

  test('is refused where it is meant for another server', async () => {
    const { alice, bob } = pair()
    expect(await put(bob, await signedHeader(alice.signer, 'c.example', { content: {} }))).toMatchObject(unauthorised)
    expect(await put(bob, await signedHeader(alice.signer, 'b.example', { content: {}, signedFor: 'c.example' }))).toMatchObject(
      unauthorised,
    )
  })

  test('is refused where its method, target or body are not those that were signed', async () => {
    const { alice, bob } = pair()
    const content = { a: 1 }
    expect(await put(bob, await signedHeader(alice.signer, 'b.example', { content }), content)).toMatchObject({ status: 200 })
    expect(await put(bob, await signedHeader(alice.signer, 'b.example', { content }), { a: 2 })).toMatchObject(unauthorised)
    expect(await put(bob, await signedHeader(alice.signer, 'b.example', { content, method: 'POST' }), content)).toMatchObject(unauthorised)
    expect(await put(bob, await signedHeader(alice.signer, 'b.example', { content, uri: '/other' }), content)).toMatchObject(unauthorised)
    expect(await put(bob, await signedHeader(alice.signer, 'b.example'), content)).toMatchObject(unauthorised)
  })

  test('is refused where another server signed it, or none that can be asked', async () => {
    const { alice, bob } = pair()
    const body = { content: {} }
    expect(await put(bob, await signedHeader(alice.signer, 'b.example', { ...body, origin: 'c.example' }))).toMatchObject(unauthorised)
    expect(await put(bob, await signedHeader(nodeSigner('a.example', 'mallory'), 'b.example', body))).toMatchObject(unauthorised)
    expect(await put(bob, await signedHeader(bob.signer, 'b.example', body))).toMatchObject(unauthorised)
  })

  test('is refused where its headers name several origins', async () => {
    const { alice, bob } = pair()
    const headers = [
      await signedHeader(alice.signer, 'b.example', { content: {} }),
      await signedHeader(nodeSigner('c.example'), 'b.example', { content: {} }),
    ]
    expect(await put(bob, headers.join(', '))).toMatchObject(unauthorised)
  })

  test('is accepted with one valid signature of several, and in the older form without destination and quotes', async () => {
    const { alice, bob } = pair()
    const valid = await signedHeader(alice.signer, 'b.example', { content: {} })
    const unknown = await signedHeader({ ...nodeSigner('a.example', 'other'), keyId: 'ed25519:other' }, 'b.example', { content: {} })
    expect(await put(bob, `${unknown}, ${valid}`)).toMatchObject({ status: 200 })
    const older = valid.replace('destination="b.example",', '').replace(/"/g, '')
    expect(await put(bob, older)).toMatchObject({ status: 200, body: { server: 'a.example' } })
  })

  test('is refused whatever a header without a key of the origin says', async () => {
    const { bob } = pair()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme-ascii', maxLength: 200 }), async (text) => {
        expect((await put(bob, `X-Matrix ${text}`)).status).toBe(401)
      }),
      { numRuns: 50 },
    )
  })
})

describe('what a remote server answers', () => {
  const ask = (at: Party) => within(at, 30_000, at.client.json('b.example', { method: 'POST', path: ['test'], body: {}, maxBytes: 1_000 }))
  const answering = (response: () => Response) => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    at.network.attach('b.example', async () => response())
    return alice
  }

  test('is passed on as an error of its own where it is one', async () => {
    const alice = answering(() => Response.json({ errcode: 'M_FORBIDDEN', error: 'No', extra: 1 }, { status: 403 }))
    await expect(ask(alice)).rejects.toMatchObject({ status: 403, errcode: 'M_FORBIDDEN', message: 'No', fields: { extra: 1 } })
  })

  test('never looks like a token of our own client having ended', async () => {
    const alice = answering(() => Response.json({ errcode: 'M_UNKNOWN_TOKEN', error: 'Bye', soft_logout: false }, { status: 401 }))
    await expect(ask(alice)).rejects.toMatchObject({ status: 502, errcode: 'M_UNKNOWN', fields: {} })
  })

  test('is an error of a gateway where it is no JSON, no object, too large or never comes', async () => {
    for (const response of [new Response('<html>', { status: 404 }), new Response('nope'), new Response('[1]'), new Response('1')]) {
      await expect(ask(answering(() => response))).rejects.toMatchObject({ status: 502 })
    }
    await expect(ask(answering(() => new Response(JSON.stringify({ a: 'x'.repeat(2_000) }))))).rejects.toMatchObject({ status: 502 })
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    at.network.attach('b.example', () => new Promise(() => undefined))
    await expect(ask(alice)).rejects.toMatchObject({ status: 504 })
  })

  test('is asked for again where asking is harmless and the failure may pass, and not otherwise', async () => {
    let asked = 0
    const alice = answering(() => (++asked % 2 === 1 ? new Response('busy', { status: 503 }) : Response.json({})))
    expect(await within(alice, 30_000, alice.client.json('b.example', { method: 'GET', path: ['test'] }))).toEqual({})
    expect(asked).toBe(2)
    await expect(ask(alice)).rejects.toMatchObject({ status: 503 })
    expect(asked).toBe(3)
  })
})
