import type { argon2idAsync } from '@noble/hashes/argon2.js'
import type { PasswordHasher } from '../src/ports/password-hasher.ts'
import type { Random } from '../src/ports/random.ts'
import { decodeBase64, encodeBase64 } from '../src/spec/base64.ts'

/** What a hash costs: memory in KiB, passes, lanes. */
interface Cost {
  readonly m: number
  readonly t: number
  readonly p: number
}

/** OWASP's recommendation for argon2id. */
const fullCost: Cost = { m: 19_456, t: 2, p: 1 }
/** For tests that make hundreds of accounts: as good as no hashing. */
const fastCost: Cost = { m: 8, t: 1, p: 1 }
const grammar = /^\$argon2id\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,88})\$([A-Za-z0-9+/]{22,88})$/
const [saltLength, hashLength] = [16, 32]

/** Loaded when the first password comes: a start without one does not wait for it. */
const argon2id: typeof argon2idAsync = async (...input) => (await import('@noble/hashes/argon2.js')).argon2idAsync(...input)

/** Hashes passwords with argon2id, one at a time: each takes 19 MB while it runs. */
export function createPasswordHasher({ random, fast }: { readonly random: Random; readonly fast: boolean }): PasswordHasher {
  const cost = fast ? fastCost : fullCost
  let previous: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const turn = previous.then(run, run)
    previous = turn.catch(() => undefined)
    return turn
  }
  return {
    hash: (password) =>
      inTurn(async () => {
        const salt = random.bytes(saltLength)
        const hash = await argon2id(password, salt, { ...cost, dkLen: hashLength })
        return `$argon2id$v=19$m=${cost.m},t=${cost.t},p=${cost.p}$${encodeBase64(salt)}$${encodeBase64(hash)}`
      }),
    verify: (password, phc) =>
      inTurn(async () => {
        const stored = parsePhc(phc)
        if (!stored) return false
        const hash = await argon2id(password, stored.salt, { ...stored.cost, dkLen: stored.hash.length })
        return isEqual(hash, stored.hash)
      }),
  }
}

function parsePhc(phc: string): { readonly cost: Cost; readonly salt: Uint8Array; readonly hash: Uint8Array } | undefined {
  const [, m, t, p, saltText = '', hashText = ''] = grammar.exec(phc) ?? []
  const salt = decodeBase64(saltText)
  const hash = decodeBase64(hashText)
  return m && salt && hash ? { cost: { m: Number(m), t: Number(t), p: Number(p) }, salt, hash } : undefined
}

/** Takes the same time wherever the first difference is. */
function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  let difference = left.length ^ right.length
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0)
  return difference === 0
}
