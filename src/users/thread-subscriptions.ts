import { last, put, remove, type Storage } from '../ports/storage.ts'
import { MatrixError, tooLarge } from '../spec/errors.ts'
import type { EventId, RoomId, UserId } from '../spec/event.ts'
import { unsubscribedThreadRuleId } from '../spec/push-rule-defaults.ts'
import { Lru } from '../storage/lru.ts'
import { type StoredThreadSubscription, threadSubscriptions } from '../storage/tables/users.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'
import type { PushRules } from './push-rules.ts'

/** A thread by its root. */
interface Thread {
  readonly roomId: RoomId
  readonly root: EventId
}

/** Where an event of the thread came in. */
interface Cause {
  readonly position: Position
  readonly depth: number
  /** Whether it came as news, and not as history. */
  readonly live: boolean
}

interface Entry extends Thread, StoredThreadSubscription {}

/** Threads of a user that are known to be subscribed to, or not any more; the oldest of the latter give way. */
const mostThreads = 10_000

/**
 * The threads that users subscribe to (MSC4306; `handlers/thread_subscriptions.py` and `storage/databases/main/thread_subscriptions.py`
 * of Synapse). Not the predefined rule that silences all other threads: that is off until the first subscription, so that who uses
 * clients that subscribe to nothing is notified of threads as ever.
 */
export class ThreadSubscriptions {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #pushRules: PushRules
  readonly #turns = new Turns()
  /** All of a user's, by room and root. */
  readonly #ofUsers = new Lru<UserId, Promise<Map<string, Entry>>>(200)

  constructor(deps: { readonly storage: Storage; readonly stream: Stream; readonly pushRules: PushRules }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#pushRules = deps.pushRules
  }

  /** `undefined` where the user does not subscribe to the thread. */
  async get(userId: UserId, thread: Thread): Promise<{ readonly automatic: boolean } | undefined> {
    const entry = (await this.#ofUser(userId)).get(keyOf(thread))
    return entry?.subscribed ? { automatic: entry.automatic } : undefined
  }

  /** The roots of the threads of a room that the user subscribes to. */
  async inRoom(userId: UserId, roomId: RoomId): Promise<ReadonlySet<EventId>> {
    const entries = [...(await this.#ofUser(userId)).values()]
    return new Set(entries.flatMap((entry) => (entry.roomId === roomId && entry.subscribed ? [entry.root] : [])))
  }

  /**
   * What changed in (since, upTo] as it is now, the newest `limit` of it in the order in which it changed; `olderUpTo` is up to
   * where the rest lies, if there is more.
   */
  async newest(
    userId: UserId,
    { since, upTo, limit }: { readonly since: Position; readonly upTo: Position; readonly limit: number },
  ): Promise<{ readonly changes: readonly Entry[]; readonly olderUpTo: Position | undefined }> {
    const entries = [...(await this.#ofUser(userId)).values()]
    const changed = entries.filter(({ position }) => position > since && position <= upTo).sort((a, b) => a.position - b.position)
    const changes = changed.slice(-limit)
    const oldest = changes[0]
    return { changes, olderUpTo: oldest && changed.length > changes.length ? oldest.position - 1 : undefined }
  }

  /**
   * Subscribes a user by their own wish, or because of an event. Throws `M_CONFLICTING_UNSUBSCRIPTION` where the user unsubscribed
   * when that event was there already, `M_TOO_LARGE` for who subscribes to too much.
   */
  async subscribe(userId: UserId, thread: Thread, cause?: Cause): Promise<void> {
    await this.#turns.take(userId, async () => {
      const entries = await this.#ofUser(userId)
      const before = entries.get(keyOf(thread))
      if (before?.subscribed && (cause || !before.automatic)) return
      if (before && !before.subscribed && cause && isAcknowledged(cause, before)) throw conflict()
      if (entries.size === 0) {
        await this.#pushRules.adjust(userId, { kind: 'postcontent', ruleId: unsubscribedThreadRuleId }, { enabled: true })
      }
      await this.#put(userId, thread, { subscribed: true, automatic: cause !== undefined })
    })
  }

  /** `depth` is that of the room's newest event. */
  async unsubscribe(userId: UserId, thread: Thread, depth: number): Promise<void> {
    await this.#turns.take(userId, async () => {
      const before = (await this.#ofUser(userId)).get(keyOf(thread))
      if (before?.subscribed) await this.#put(userId, thread, { subscribed: false, automatic: before.automatic, depth })
    })
  }

  async #put(userId: UserId, thread: Thread, changed: Omit<StoredThreadSubscription, 'position'>): Promise<void> {
    const entries = await this.#ofUser(userId)
    const key = keyOf(thread)
    const gone = entries.size < mostThreads || entries.has(key) ? undefined : oldestUnsubscribed(entries)
    const writes = (position: Position) => [
      put(threadSubscriptions, [userId, thread.roomId, thread.root], { ...changed, position }),
      ...(gone ? [remove(threadSubscriptions, [userId, gone.roomId, gone.root])] : []),
    ]
    await this.#stream.commit(1, writes, {
      published: (position) => {
        entries.set(key, { ...thread, ...changed, position })
        if (gone) entries.delete(keyOf(gone))
        // What was read meanwhile may lack it.
        this.#ofUsers.set(userId, Promise.resolve(entries))
      },
    })
  }

  #ofUser(userId: UserId): Promise<Map<string, Entry>> {
    const known = this.#ofUsers.get(userId)
    if (known) return known
    const range = { from: [userId, '', ''], to: [userId, last, last] } as const
    const loading = this.#storage
      .read([threadSubscriptions], (tx) => tx.range(threadSubscriptions, range))
      .then((rows) => new Map(rows.map(([[, roomId, root], stored]) => [keyOf({ roomId, root }), { roomId, root, ...stored }])))
    this.#ofUsers.set(userId, loading)
    loading.catch(() => this.#ofUsers.delete(userId))
    return loading
  }
}

/** Whether a user who unsubscribed had this event before them: what came as history lies before what was the end of the room. */
function isAcknowledged(cause: Cause, { position, depth = 0 }: StoredThreadSubscription): boolean {
  return cause.live ? cause.position <= position : cause.depth <= depth
}

function oldestUnsubscribed(entries: ReadonlyMap<string, Entry>): Entry {
  const [oldest] = [...entries.values()].filter(({ subscribed }) => !subscribed).sort((a, b) => a.position - b.position)
  if (!oldest) throw tooLarge(`A user may subscribe to ${mostThreads} threads`)
  return oldest
}

function conflict(): MatrixError {
  const errcode = 'IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION'
  return new MatrixError(409, errcode, { message: 'You unsubscribed from the thread after this event' })
}

function keyOf({ roomId, root }: Thread): string {
  return JSON.stringify([roomId, root])
}
