import type { EventId, Pdu, RoomEvent, RoomId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject } from '../spec/json.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { receivePdus } from './incoming.ts'
import type { EventVerifier } from './remote.ts'

/** Events whose signatures are checked in one batch. */
const checkedAtOnce = 500
/** Events that a batch waits for, as long as more are to come: small ones are dear. */
const fewestAtOnce = 200
/** Batches under way: one is read while the signatures of another are checked. */
const batchesAtOnce = 2
/** Events that may wait to be checked before whoever gives them has to wait. */
const waitingAtMost = 10_000
/** Events of servers whose keys are not known yet that are checked first. */
const probed = 20

interface Deps {
  readonly room: { readonly roomId: RoomId; readonly rules: RoomVersionRules }
  readonly verifier: EventVerifier
  /** Takes the events that are what they say, in no order, each once. Must not throw. */
  readonly take: (events: readonly RoomEvent[]) => void
  /** Hears how many events were checked. */
  readonly checked: (count: number) => void
}

interface Told {
  readonly pdu: Pdu
  /** Hears the event's id, if it is sound. */
  readonly sound: (eventId: EventId) => void
}

/** Servers whose keys nobody has asked for yet, are being asked for, are had, or cannot be had. */
type Standing = 'asked' | 'known' | 'missing'

/**
 * Checks the events of a room as another server tells them. Keys are fetched as their servers are first seen: what is signed by
 * others goes on meanwhile, and a server whose key cannot be had is waited for once, and once more at the end.
 */
export class ToldEvents {
  readonly #deps: Deps
  readonly #standings = new Map<string, Standing>()
  readonly #held = new Map<string, Told[]>()
  readonly #waiting: Told[] = []
  readonly #seen = new Set<EventId>()
  readonly #probes = new Set<Promise<void>>()
  #checkers: Promise<void>[] = []
  #failure: { readonly reason: unknown } | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Takes events. Resolves when there is room for more. */
  async add(told: readonly Told[]): Promise<void> {
    for (const [signers, ofSigners] of Map.groupBy(told, ({ pdu }) => signersOf(pdu))) {
      if (this.#standings.get(signers) === 'known') this.#waiting.push(...ofSigners)
      else this.#probe(signers, ofSigners)
    }
    this.#go(fewestAtOnce)
    if (this.#waiting.length > waitingAtMost) await Promise.all(this.#checkers)
  }

  /** Resolves once all that was added has been checked. Rejects if checking failed. */
  async end(): Promise<void> {
    await Promise.all(this.#probes)
    await Promise.all(this.#checkers)
    this.#go(1)
    await Promise.all(this.#checkers)
    const left = [...this.#held.values()].flat()
    this.#held.clear()
    // All at once, so that servers that do not answer are waited for together.
    const checks: Promise<boolean>[] = []
    while (left.length > 0) checks.push(this.#check(left.splice(0, checkedAtOnce)))
    await Promise.all(checks)
    if (this.#failure) throw this.#failure.reason
  }

  /** Holds what is of the same signers back until their keys are had; the first of it tells. */
  #probe(signers: string, told: readonly Told[]): void {
    const isFirst = !this.#standings.has(signers)
    const [first, rest] = isFirst ? [told.slice(0, probed), told.slice(probed)] : [[], told]
    this.#held.set(signers, [...(this.#held.get(signers) ?? []), ...rest])
    if (!isFirst) return
    this.#standings.set(signers, 'asked')
    const probe = this.#check(first).then((isKeyMissing) => {
      this.#probes.delete(probe)
      this.#standings.set(signers, isKeyMissing ? 'missing' : 'known')
      if (isKeyMissing) return
      this.#waiting.push(...(this.#held.get(signers) ?? []))
      this.#held.delete(signers)
      this.#go(fewestAtOnce)
    })
    this.#probes.add(probe)
  }

  #go(fewest: number): void {
    while (this.#checkers.length < batchesAtOnce && this.#waiting.length >= fewest) {
      const checker = this.#checkOn(fewest).finally(() => {
        this.#checkers = this.#checkers.filter((each) => each !== checker)
      })
      this.#checkers.push(checker)
    }
  }

  async #checkOn(fewest: number): Promise<void> {
    while (this.#waiting.length >= fewest) await this.#check(this.#waiting.splice(0, checkedAtOnce))
  }

  /** Resolves with whether a key was missing. Never rejects. */
  async #check(told: readonly Told[]): Promise<boolean> {
    const { room, verifier, take, checked } = this.#deps
    try {
      const received = await receivePdus(
        told.map(({ pdu }) => pdu),
        room,
        verifier,
      )
      const sound: RoomEvent[] = []
      for (const [i, result] of received.entries()) {
        if ('error' in result) continue
        const { eventId } = result.event
        told[i]?.sound(eventId)
        if (!this.#seen.has(eventId)) sound.push(result.event)
        this.#seen.add(eventId)
      }
      take(sound)
      checked(told.length)
      return received.some((result) => 'error' in result && result.isKeyMissing)
    } catch (reason) {
      this.#failure ??= { reason }
      return false
    }
  }
}

/** The servers whose keys an event needs, as far as they can be told before it is read. */
function signersOf({ sender, content }: Pdu): string {
  const authoriser = isObject(content) ? content.join_authorised_via_users_server : undefined
  return [sender, authoriser].map((userId) => (typeof userId === 'string' ? (serverNameOf(userId) ?? '') : '')).join(' ')
}
