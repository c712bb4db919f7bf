import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromCID, peerIdFromPublicKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { labelOf, labelOfPublicKey, publicKeyOfLabel } from '../../src/spec/self-certifying.ts'

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 })
const label = labelOfPublicKey(new Uint8Array(32).fill(7))

describe('labels', () => {
  test('are what libp2p makes of the same key, and are read by it', () => {
    fc.assert(
      fc.property(keys, (key) => {
        const peerId = peerIdFromPublicKey(publicKeyFromRaw(key))
        expect(labelOfPublicKey(key)).toBe(peerId.toCID().toString(base36))
        expect(peerIdFromCID(CID.parse(labelOfPublicKey(key), base36)).equals(peerId)).toBe(true)
      }),
    )
  })

  test('give back the key they were made of, and fit one DNS label', () => {
    fc.assert(
      fc.property(keys, (key) => {
        expect(publicKeyOfLabel(labelOfPublicKey(key))).toEqual(key)
        expect(labelOfPublicKey(key)).toMatch(/^k51[0-9a-z]{59}$/)
      }),
    )
  })

  test('with one character changed hold another key or none, never the same', () => {
    fc.assert(
      fc.property(keys, fc.nat(61), fc.constantFrom(...'0123456789abcdefghijklmnopqrstuvwxyz'), (key, at, character) => {
        const made = labelOfPublicKey(key)
        fc.pre(made[at] !== character)
        expect(publicKeyOfLabel(made.slice(0, at) + character + made.slice(at + 1))).not.toEqual(key)
      }),
    )
  })

  test('of keys that are no Ed25519 keys are refused', () => {
    expect(() => labelOfPublicKey(new Uint8Array(31))).toThrow()
    const rsa = CID.parse('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N').toV1().toString(base36)
    expect(publicKeyOfLabel(rsa)).toBeUndefined()
  })

  test('of nonsense hold no key', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => publicKeyOfLabel(text) === undefined))
  })
})

describe('server names', () => {
  test('certify themselves with a label alone, or under a relay domain with or without a port', () => {
    for (const name of [label, `${label}.relay.example`, `${label}.relay.example:8449`, `${label}.localhost`])
      expect(labelOf(name)).toBe(label)
  })

  test('are ordinary where the label is not their first part in full', () => {
    const names = [
      'example.org',
      `x${label}`,
      `${label}x`,
      `a.${label}`,
      `${label}:8448`,
      `${label}.`,
      label.toUpperCase(),
      `${label}.a b`,
      '',
    ]
    for (const name of names) expect(labelOf(name)).toBeUndefined()
  })
})
