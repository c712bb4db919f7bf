import { argon2id } from '@noble/hashes/argon2.js'
import { describe, expect, it } from 'vitest'
import { encodeBase64 } from '../../src/spec/base64.ts'
import { browserRandom } from '../../worker/browser-ports.ts'
import { createPasswordHasher } from '../../worker/password-hasher.ts'

const fast = createPasswordHasher({ random: browserRandom, fast: true })

describe('the password hasher', () => {
  it('verifies the password that it hashed, and no other', async () => {
    const phc = await fast.hash('correct horse')
    expect(await fast.verify('correct horse', phc)).toBe(true)
    expect(await fast.verify('correct horsf', phc)).toBe(false)
    expect(await fast.verify('', phc)).toBe(false)
  })

  it('salts: two hashes of one password differ', async () => {
    expect(await fast.hash('a')).not.toBe(await fast.hash('a'))
  })

  it('writes the cost it hashed with, and verifies by the cost that is written', async () => {
    const full = createPasswordHasher({ random: browserRandom, fast: false })
    const phc = await full.hash('secret')
    expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await fast.verify('secret', phc)).toBe(true)
  })

  it('verifies hashes that others made with other parameters', async () => {
    const salt = new TextEncoder().encode('somesalt')
    const hash = argon2id('password', salt, { m: 64, t: 3, p: 2, dkLen: 24 })
    expect(await fast.verify('password', `$argon2id$v=19$m=64,t=3,p=2$${encodeBase64(salt)}$${encodeBase64(hash)}`)).toBe(true)
  })

  it.each([
    '',
    'plain',
    '$argon2id$v=19$m=8,t=1,p=1$$',
    '$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA',
    '$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA',
  ])('verifies nothing by the broken hash %j', async (phc) => {
    expect(await fast.verify('password', phc)).toBe(false)
  })
})
