import type { Verifier } from '../ports/signer.ts'
import { labelOf } from '../spec/self-certifying.ts'
import type { KeyNeed, KeyRing } from './key-ring.ts'

/** A signature to check: by whom it claims to be, and over what. */
export interface SignatureClaim extends KeyNeed {
  readonly message: Uint8Array<ArrayBuffer>
  readonly signature: Uint8Array<ArrayBuffer>
}

export type SignatureFinding = 'valid' | 'invalid' | 'unknown-key'

/** Checks signatures of servers, many at once. */
export class SignatureChecker {
  readonly #deps: { readonly keyRing: KeyRing; readonly verifier: Verifier }

  constructor(deps: { readonly keyRing: KeyRing; readonly verifier: Verifier }) {
    this.#deps = deps
  }

  /** One finding for each claim. Never rejects: a key that cannot be had is an unknown key. */
  async check(claims: readonly SignatureClaim[]): Promise<SignatureFinding[]> {
    const findings = await this.#verified(claims)
    // A key id that a self-certifying server has not listed yet was tried with the key of its label: it may be a newer key.
    const doubtful = claims.filter(({ server }, i) => findings[i] === 'invalid' && labelOf(server) !== undefined)
    if (doubtful.length === 0) return findings
    const again = new Map(await this.#withFurtherKeys(doubtful))
    return claims.map((claim, i) => again.get(claim) ?? findings[i] ?? 'unknown-key')
  }

  async #withFurtherKeys(claims: readonly SignatureClaim[]): Promise<(readonly [SignatureClaim, SignatureFinding])[]> {
    const { keyRing } = this.#deps
    const wereListed = await Promise.all(claims.map(({ server, keyId }) => keyRing.isListed(server, keyId)))
    const unlisted = claims.filter((_, i) => !wereListed[i])
    await Promise.all([...new Set(unlisted.map(({ server }) => server))].map((server) => keyRing.refresh(server)))
    const areListed = await Promise.all(unlisted.map(({ server, keyId }) => keyRing.isListed(server, keyId)))
    const findings = await this.#verified(unlisted)
    return unlisted.map((claim, i) => [claim, areListed[i] ? (findings[i] ?? 'unknown-key') : 'unknown-key'] as const)
  }

  async #verified(claims: readonly SignatureClaim[]): Promise<SignatureFinding[]> {
    const keys = await this.#deps.keyRing.find(claims)
    const batch = claims.flatMap(({ message, signature }, i) => (keys[i] ? [{ message, signature, publicKey: keys[i] }] : []))
    const verdicts = (await this.#deps.verifier.verify(batch)).values()
    return keys.map((key) => (key === undefined ? 'unknown-key' : verdicts.next().value ? 'valid' : 'invalid'))
  }
}
