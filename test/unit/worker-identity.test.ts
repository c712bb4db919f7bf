import { webcrypto } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { labelOf, labelOfPublicKey } from '../../src/spec/self-certifying.ts'
import { createIdentity, recoveryFileOf, restoreIdentity, signerOf } from '../../worker/identity.ts'
import { decodeRecoveryKey, encodeRecoveryKey } from '../../worker/recovery-key.ts'

const always = () => Promise.resolve()
const message = new TextEncoder().encode('hello')

describe('an identity', () => {
  it('is named by its label, by its label below a relay, or as it is told', async () => {
    const bare = await createIdentity({ kind: 'label' })
    const relayed = await createIdentity({ kind: 'relay', domain: 'relay.example:8448' })
    const named = await createIdentity({ kind: 'name', serverName: 'hs1' })
    expect(bare.identity.serverName).toBe(labelOfPublicKey(bare.identity.publicKey))
    expect(relayed.identity.serverName).toBe(`${labelOfPublicKey(relayed.identity.publicKey)}.relay.example:8448`)
    expect(labelOf(relayed.identity.serverName)).toBe(labelOfPublicKey(relayed.identity.publicKey))
    expect(named.identity.serverName).toBe('hs1')
    await expect(createIdentity({ kind: 'name', serverName: 'no name' })).rejects.toThrow()
  })

  it('signs with a key that cannot be read out', async () => {
    const { identity } = await createIdentity({ kind: 'label' })
    const signer = signerOf(identity, always)
    expect(signer.keyId).toMatch(/^ed25519:[a-z0-9]{8}$/)
    const key = await webcrypto.subtle.importKey('raw', identity.publicKey, 'Ed25519', false, ['verify'])
    expect(await webcrypto.subtle.verify('Ed25519', key, await signer.sign(message), message)).toBe(true)
    expect(identity.privateKey.extractable).toBe(false)
    await expect(webcrypto.subtle.exportKey('pkcs8', identity.privateKey)).rejects.toThrow()
  })

  it('signs nothing once it may no longer', async () => {
    const { identity } = await createIdentity({ kind: 'label' })
    const signer = signerOf(identity, () => Promise.reject(new Error('fenced')))
    await expect(signer.sign(message)).rejects.toThrow('fenced')
  })

  it('comes back from its recovery file and key, with a higher incarnation each time', async () => {
    const { identity, recoveryKey } = await createIdentity({ kind: 'relay', domain: 'relay.example' })
    const file: unknown = JSON.parse(JSON.stringify(recoveryFileOf(identity)))
    const restored = await restoreIdentity(file, recoveryKey)
    expect(restored?.serverName).toBe(identity.serverName)
    expect(restored?.incarnation).toBeGreaterThan(identity.incarnation)
    if (!restored) throw new Error('not restored')
    expect(await signerOf(restored, always).sign(message)).toEqual(await signerOf(identity, always).sign(message))
    const again = await restoreIdentity(recoveryFileOf(restored), recoveryKey)
    expect(again?.incarnation).toBeGreaterThan(restored.incarnation)
  })

  it('does not come back from another key, another name or a broken file', async () => {
    const { identity, recoveryKey } = await createIdentity({ kind: 'label' })
    const other = await createIdentity({ kind: 'label' })
    const file = recoveryFileOf(identity)
    expect(await restoreIdentity(file, other.recoveryKey)).toBeUndefined()
    expect(await restoreIdentity(file, 'nonsense')).toBeUndefined()
    expect(await restoreIdentity({ ...file, server_name: other.identity.serverName }, recoveryKey)).toBeUndefined()
    expect(await restoreIdentity({ ...file, public_key: recoveryFileOf(other.identity).public_key }, recoveryKey)).toBeUndefined()
    expect(await restoreIdentity({ ...file, ciphertext: 'AAAA' }, recoveryKey)).toBeUndefined()
    for (const broken of [null, [], 'text', {}, { ...file, incarnation: 1.5 }])
      expect(await restoreIdentity(broken, recoveryKey)).toBeUndefined()
  })
})

describe('a recovery key', () => {
  const someKey = fc.uint8Array({ minLength: 32, maxLength: 32 })

  it('is read as it was shown, whatever white space is added or lost', () => {
    fc.assert(
      fc.property(someKey, (key) => {
        const text = encodeRecoveryKey(key)
        expect(text).toMatch(/^([1-9A-HJ-NP-Za-km-z]{4} )+[1-9A-HJ-NP-Za-km-z]{1,4}$/)
        expect(decodeRecoveryKey(text)).toEqual(Uint8Array.from(key))
        expect(decodeRecoveryKey(`\n ${text.replaceAll(' ', '')} `)).toEqual(Uint8Array.from(key))
      }),
    )
  })

  it('is refused with one character changed', () => {
    fc.assert(
      fc.property(someKey, fc.nat(), fc.constantFrom(...'123ABCxyz'), (key, at, character) => {
        const text = encodeRecoveryKey(key).replaceAll(' ', '')
        const index = at % text.length
        fc.pre(text[index] !== character)
        const changed = decodeRecoveryKey(text.slice(0, index) + character + text.slice(index + 1))
        // One byte of parity: what it lets through is another key, never a malformed one.
        expect(changed === undefined || changed.length === 32).toBe(true)
        expect(changed).not.toEqual(Uint8Array.from(key))
      }),
    )
    expect(decodeRecoveryKey('')).toBeUndefined()
    expect(decodeRecoveryKey('0OIl')).toBeUndefined()
  })
})
