import { sha256 } from '@noble/hashes/sha2.js'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'

/** What two devices have on their common board. */
export interface RendezvousSession {
  readonly data: Uint8Array<ArrayBuffer>
  /** Changes with the data. */
  readonly etag: string
  readonly expiresTs: number
  readonly modifiedTs: number
}

const lifetimeMs = 60_000
/** Pairs of devices that meet at once. */
const sessionLimit = 100

/**
 * Boards on which a device that is logged in and one that is not leave each other messages, sealed by themselves (MSC4108 in the
 * version of Synapse's `rust/src/rendezvous` and of matrix-js-sdk's `MSC4108RendezvousSession`). They live in memory, for a minute.
 */
export class Rendezvous {
  readonly #clock: Clock
  readonly #random: Random
  readonly #sessions = new Map<string, RendezvousSession>()

  constructor(deps: { clock: Clock; random: Random }) {
    this.#clock = deps.clock
    this.#random = deps.random
  }

  create(data: Uint8Array<ArrayBuffer>): { id: string; session: RendezvousSession } {
    const now = this.#clock.now()
    for (const [id, { expiresTs }] of this.#sessions) {
      if (expiresTs <= now || this.#sessions.size >= sessionLimit) this.#sessions.delete(id)
    }
    const id = encodeUrlSafeBase64(this.#random.bytes(18))
    const session = { ...written(data, now), expiresTs: now + lifetimeMs }
    this.#sessions.set(id, session)
    return { id, session }
  }

  get(id: string): RendezvousSession | undefined {
    const session = this.#sessions.get(id)
    return session && session.expiresTs > this.#clock.now() ? session : undefined
  }

  /** Replaces what is on the board. */
  update(id: string, session: RendezvousSession, data: Uint8Array<ArrayBuffer>): RendezvousSession {
    const updated = { ...session, ...written(data, this.#clock.now()) }
    this.#sessions.set(id, updated)
    return updated
  }

  /** `false` if there was none. */
  delete(id: string): boolean {
    return this.#sessions.delete(id)
  }
}

function written(data: Uint8Array<ArrayBuffer>, now: number) {
  return { data, modifiedTs: now, etag: `"${encodeUrlSafeBase64(sha256(data))}"` }
}
