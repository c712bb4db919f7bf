import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SignedMessage } from '../../src/ports/signer.ts'
import type { KeyCheck } from '../../worker/signature-thread.ts'
import { createVerifier } from '../../worker/webcrypto-verifier.ts'

const unsupported = {
  importKey: () => Promise.reject(new DOMException('no Ed25519', 'NotSupportedError')),
  verify: () => Promise.resolve(true),
}
const verifiers = [
  ['WebCrypto', createVerifier()],
  ['in script', createVerifier(unsupported)],
  ['beside a thread that cannot be', createVerifier(crypto.subtle, { check: () => Promise.reject(new Error('no thread')) })],
] as const

const pkcs8Start = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiStart = Buffer.from('302a300506032b6570032100', 'hex')
const order = 2n ** 252n + 27742317777372353535851937790883648493n

function signed(seed: Uint8Array, message: Uint8Array<ArrayBuffer>): SignedMessage {
  const privateKey = createPrivateKey({ key: Buffer.concat([pkcs8Start, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(spkiStart.length)
  return { message, signature: Uint8Array.from(sign(null, message, privateKey)), publicKey: Uint8Array.from(publicKey) }
}

function nodeVerdict({ message, signature, publicKey }: SignedMessage): boolean {
  const key = createPublicKey({ key: Buffer.concat([spkiStart, publicKey]), format: 'der', type: 'spki' })
  return verify(null, message, key, signature)
}

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
const someBytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Uint8Array.from(array))
const someMessage = fc.uint8Array({ maxLength: 200 }).map((array) => Uint8Array.from(array))

describe.each(verifiers)('the verifier %s', (_name, verifier) => {
  it('agrees with node:crypto on good signatures and on those with a bit changed', () =>
    fc.assert(
      fc.asyncProperty(someBytes(32), someMessage, fc.nat(1023), async (seed, message, bit) => {
        const good = signed(seed, message)
        const flip = (array: Uint8Array<ArrayBuffer>) =>
          array.map((byte, index) => (index === (bit >> 3) % array.length ? byte ^ (1 << (bit & 7)) : byte))
        const batch = [
          good,
          { ...good, signature: flip(good.signature) },
          ...(message.length > 0 ? [{ ...good, message: flip(message) }] : []),
        ]
        expect(await verifier.verify(batch)).toEqual(batch.map(nodeVerdict))
        expect(nodeVerdict(good)).toBe(true)
      }),
      { numRuns: 25 },
    ))

  it('gives one verdict for each message, in order, and none for nonsense', async () => {
    const good = signed(new Uint8Array(32), new Uint8Array([1, 2, 3]))
    const nonsense = [
      { ...good, signature: good.signature.slice(1) },
      { ...good, signature: new Uint8Array(0) },
      { ...good, publicKey: good.publicKey.slice(1) },
      { ...good, publicKey: new Uint8Array(32).fill(0xff) },
    ]
    expect(await verifier.verify([good, ...nonsense, good])).toEqual([true, false, false, false, false, true])
  })

  it('refuses a signature whose scalar is not reduced', async () => {
    const good = signed(new Uint8Array(32).fill(7), new Uint8Array([1]))
    const scalar = BigInt(`0x${Buffer.from(good.signature.slice(32).toReversed()).toString('hex')}`) + order
    const unreduced = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').toReversed()
    const signature = Uint8Array.from([...good.signature.slice(0, 32), ...unreduced])
    expect(await verifier.verify([{ ...good, signature }])).toEqual([false])
  })

  // With such a key a signature of one message is one of nearly every message.
  it.each([
    ['the neutral element', '0100000000000000000000000000000000000000000000000000000000000000'],
    ['a point of order 2', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['a point of order 4', '0000000000000000000000000000000000000000000000000000000000000080'],
    ['a point of order 8', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
    ['the neutral element, written in another way', 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['the neutral element with the wrong sign', '0100000000000000000000000000000000000000000000000000000000000080'],
  ])('refuses a key that is %s', async (_what, hex) => {
    const identity = bytes('0100000000000000000000000000000000000000000000000000000000000000')
    const signature = Uint8Array.from([...identity, ...new Uint8Array(32)])
    const verdicts = await verifier.verify(
      Array.from({ length: 8 }, (_, n) => ({ message: new Uint8Array([n]), signature, publicKey: bytes(hex) })),
    )
    expect(verdicts).toEqual(Array.from({ length: 8 }, () => false))
  })
})

const here = {
  check: (checks: readonly KeyCheck[]) =>
    Promise.all(checks.map(({ key, ...of }) => crypto.subtle.verify('Ed25519', key, of.signature, of.message))),
}
const gone = { check: () => Promise.reject(new Error('there is no such thread')) }

it.each([
  ['a thread of its own', here],
  ['a thread that ends', gone],
])('a large batch in %s gets the same verdicts, in order', async (_name, thread) => {
  const good = Array.from({ length: 80 }, (_, n) => signed(new Uint8Array(32).fill(n % 3), new Uint8Array([n])))
  const batch = good.map((each, n) => {
    if (n % 7 === 0) return { ...each, message: new Uint8Array([n, 0]) }
    if (n % 11 === 0) return { ...each, signature: each.signature.slice(1) }
    return n % 13 === 0 ? { ...each, publicKey: new Uint8Array(32).fill(0xff) } : each
  })
  const expected = good.map((_, n) => n % 7 > 0 && n % 11 > 0 && n % 13 > 0)
  expect(await createVerifier(crypto.subtle, thread).verify(batch)).toEqual(expected)
})
