import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { signJson } from '../../src/federation/sign.ts'
import { encodeBase64 } from '../../src/spec/base64.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { party, publisher, selfCertifyingSigner, startTs, within, world } from './federation-party.ts'

const dayMs = 24 * 3600 * 1000

/** A key document that `signers` list and sign, the first one's server being its subject. */
async function documentOf(signers: ReturnType<typeof nodeSigner>[], fields: JsonObject = {}): Promise<JsonObject> {
  const [first] = signers
  let document: JsonObject = {
    server_name: first?.serverName ?? '',
    valid_until_ts: startTs + dayMs,
    verify_keys: Object.fromEntries(signers.map(({ keyId, publicKey }) => [keyId, { key: encodeBase64(publicKey) }])),
    old_verify_keys: {},
    ...fields,
  }
  for (const signer of signers) document = await signJson(document, { ...signer, serverName: first?.serverName ?? '' })
  return document
}

const now = { at: startTs, enforceValidity: true }

describe('keys of ordinary servers', () => {
  test('are fetched from the server, once for however many ask, and kept', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    const signer = nodeSigner('b.example')
    const document = await documentOf([signer])
    const published = publisher(at, 'b.example', () => document)
    const need = { server: 'b.example', keyId: signer.keyId, ...now }
    const keys = await within(at, 20_000, Promise.all(Array.from({ length: 20 }, () => alice.keyRing.find([need, need]))))
    expect(keys.flat()).toEqual(Array.from({ length: 40 }, () => signer.publicKey))
    expect(published.fetches()).toBe(1)
    at.network.detach('b.example')
    expect(await within(at, 100, alice.keyRing.find([need]))).toEqual([signer.publicKey])
  })

  test('are refused where the document is not signed by the server itself, or is about another server', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    const signer = nodeSigner('b.example')
    const honest = await documentOf([signer])
    const { signatures, ...unsigned } = honest
    const forged = await documentOf([nodeSigner('b.example', 'mallory')])
    expect(await alice.keyRing.learn('b.example', { ...unsigned, signatures: {} })).toBe(false)
    expect(await alice.keyRing.learn('b.example', { ...honest, valid_until_ts: startTs + 2 * dayMs })).toBe(false)
    expect(await alice.keyRing.learn('b.example', { ...forged, signatures: signatures ?? null })).toBe(false)
    expect(await alice.keyRing.learn('c.example', honest)).toBe(false)
    expect(await alice.keyRing.learn('b.example', honest)).toBe(true)
  })

  test('are pinned: another key under a known id is refused, with a warning, and the first stays', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    const first = nodeSigner('b.example')
    const second = nodeSigner('b.example', 'after the break-in')
    expect(await alice.keyRing.learn('b.example', await documentOf([first]))).toBe(true)
    expect(await alice.keyRing.learn('b.example', await documentOf([second]))).toBe(false)
    expect(alice.warnings).toHaveLength(1)
    expect(await alice.keyRing.find([{ server: 'b.example', keyId: first.keyId, ...now }])).toEqual([first.publicKey])
  })

  test('count until the document ends, seven days at most, and for ever where the room version says so', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    const signer = nodeSigner('b.example')
    await alice.keyRing.learn('b.example', await documentOf([signer], { valid_until_ts: startTs + 1000 * dayMs }))
    const need = { server: 'b.example', keyId: signer.keyId }
    const late = startTs + 7 * dayMs + 1
    const found = await within(
      at,
      20_000,
      alice.keyRing.find([
        { ...need, at: startTs - 1000 * dayMs, enforceValidity: true },
        { ...need, at: late - 1, enforceValidity: true },
        { ...need, at: late, enforceValidity: true },
        { ...need, at: late, enforceValidity: false },
      ]),
    )
    expect(found).toEqual([signer.publicKey, signer.publicKey, undefined, signer.publicKey])
  })

  test('that are old verify what was signed before they expired, and no request', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    const current = { ...nodeSigner('b.example', 'new'), keyId: 'ed25519:2' }
    const old = nodeSigner('b.example', 'old')
    const expired = { [old.keyId]: { key: encodeBase64(old.publicKey), expired_ts: startTs - dayMs } }
    await alice.keyRing.learn('b.example', await documentOf([current], { old_verify_keys: expired }))
    const need = { server: 'b.example', keyId: old.keyId, enforceValidity: true }
    const found = await within(
      at,
      20_000,
      alice.keyRing.find([
        { ...need, at: startTs - dayMs },
        { ...need, at: startTs },
      ]),
    )
    expect(found).toEqual([old.publicKey, undefined])
  })

  test('that expired stay expired when an older document comes by', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    const [old, current] = [nodeSigner('b.example', 'old'), { ...nodeSigner('b.example', 'new'), keyId: 'ed25519:2' }]
    const before = await documentOf([old])
    const expired = { [old.keyId]: { key: encodeBase64(old.publicKey), expired_ts: startTs - dayMs } }
    await alice.keyRing.learn('b.example', await documentOf([current], { old_verify_keys: expired, valid_until_ts: startTs + 2 * dayMs }))
    await alice.keyRing.learn('b.example', before)
    expect(await within(at, 20_000, alice.keyRing.find([{ server: 'b.example', keyId: old.keyId, ...now }]))).toEqual([undefined])
  })

  test('of a server that is away are given up within ten seconds, and not asked for again at once', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    at.network.attach('b.example', () => new Promise(() => undefined))
    const need = { server: 'b.example', keyId: 'ed25519:1', ...now }
    expect(await within(at, 10_200, alice.keyRing.find([need]))).toEqual([undefined])
    const asked = alice.requests.length
    expect(await within(at, 100, alice.keyRing.find([need]))).toEqual([undefined])
    expect(alice.requests).toHaveLength(asked)
  })

  test('of a server that is away come from a notary, which signs what it passes on', async () => {
    const at = world()
    const notary = party(at, nodeSigner('notary.example'))
    const alice = party(at, nodeSigner('a.example'), { notaries: ['notary.example'] })
    const signer = nodeSigner('b.example')
    await notary.keyRing.learn('b.example', await documentOf([signer]))
    const found = await within(at, 20_000, alice.keyRing.find([{ server: 'b.example', keyId: signer.keyId, ...now }]))
    expect(found).toEqual([signer.publicKey])
    expect(alice.requests.map(({ to, method }) => `${method} ${to}`)).toContain('POST notary.example')
  })

  test('are never learnt from what is no valid document', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    const honest = await documentOf([nodeSigner('b.example')])
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(honest)), fc.jsonValue(), async (field, value) => {
        const spoilt = JSON.parse(JSON.stringify({ ...honest, [field]: value }))
        fc.pre(JSON.stringify(spoilt) !== JSON.stringify(honest))
        expect(await alice.keyRing.learn('b.example', spoilt)).toBe(false)
      }),
      { numRuns: 200 },
    )
  })
})

describe('keys of self-certifying servers', () => {
  test('need no network', async () => {
    const at = world()
    const alice = party(at, nodeSigner('a.example'))
    const bob = selfCertifyingSigner('bob')
    const named = [bob.serverName, `${bob.serverName}.relay.example`, `${bob.serverName}.relay.example:8448`]
    const found = await alice.keyRing.find(named.map((server) => ({ server, keyId: bob.keyId, ...now })))
    expect(found).toEqual([bob.publicKey, bob.publicKey, bob.publicKey])
    expect(alice.requests).toEqual([])
  })

  test('cannot be replaced by whoever answers under that name, nor by a notary', async () => {
    const at = world()
    const bob = selfCertifyingSigner('bob')
    const mallory = nodeSigner(bob.serverName, 'mallory')
    const alice = party(at, nodeSigner('a.example'))
    const forged = await documentOf([{ ...mallory, keyId: 'ed25519:mallory' }])
    publisher(at, bob.serverName, () => forged)
    expect(await alice.keyRing.learn(bob.serverName, forged)).toBe(false)
    const message = new TextEncoder().encode('pay mallory')
    const claim = { server: bob.serverName, message, signature: await mallory.sign(message), ...now }
    const findings = alice.checker.check([
      { ...claim, keyId: 'ed25519:mallory' },
      { ...claim, keyId: bob.keyId },
    ])
    expect(await within(at, 20_000, findings)).not.toContain('valid')
  })

  test('grow by a further key once a document signed by the key of the label lists it', async () => {
    const at = world()
    const bob = selfCertifyingSigner('bob')
    const further = { ...nodeSigner(bob.serverName, 'further'), keyId: 'ed25519:further' }
    const alice = party(at, nodeSigner('a.example'))
    const message = new TextEncoder().encode('hello')
    const claim = { server: bob.serverName, keyId: further.keyId, message, signature: await further.sign(message), ...now }
    expect(await within(at, 20_000, alice.checker.check([claim]))).toEqual(['unknown-key'])
    const document = await documentOf([bob, further])
    publisher(at, bob.serverName, () => document)
    await at.clock.run(60_000)
    expect(await within(at, 20_000, alice.checker.check([claim]))).toEqual(['valid'])
  })
})

describe('a notary', () => {
  test('passes on its own document and those of others, all signed by itself too', async () => {
    const at = world()
    const notary = party(at, nodeSigner('notary.example'))
    const bob = party(at, nodeSigner('b.example'))
    const answer = within(
      at,
      20_000,
      bob.client.json('notary.example', {
        method: 'POST',
        path: ['key', 'v2', 'query'],
        body: { server_keys: { 'b.example': {}, 'notary.example': { 'ed25519:1': { minimum_valid_until_ts: startTs } } } },
        unsigned: true,
      }),
    )
    const { server_keys: documents } = await answer
    if (!Array.isArray(documents)) throw new Error('no list')
    expect(documents).toMatchObject([
      { server_name: 'b.example', signatures: { 'b.example': {}, 'notary.example': {} } },
      { server_name: 'notary.example', signatures: { 'notary.example': {} } },
    ])
    expect(await notary.keyRing.learn('b.example', documents[0] ?? null)).toBe(true)
  })

  test('leaves out servers that cannot be reached', async () => {
    const at = world()
    party(at, nodeSigner('notary.example'))
    const bob = party(at, nodeSigner('b.example'))
    const path = ['key', 'v2', 'query', 'nowhere.example']
    const answer = within(at, 30_000, bob.client.json('notary.example', { method: 'GET', path, unsigned: true, timeoutMs: 20_000 }))
    expect(await answer).toEqual({ server_keys: [] })
  })
})
