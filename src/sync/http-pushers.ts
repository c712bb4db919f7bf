import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Web } from '../ports/web.ts'
import type { RoomStore } from '../rooms/room-store.ts'
import type { UserId } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import type { StoredPusher } from '../storage/tables/users.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { waitPast } from '../streams/wait.ts'
import type { PusherKey, Pushers } from '../users/pushers.ts'
import type { PushNotification, PushNotifications } from './push-notifications.ts'
import type { SyncSources } from './sources.ts'

interface HttpPusherDeps {
  readonly stream: Stream
  readonly clock: Clock
  readonly store: RoomStore
  readonly pushers: Pushers
  readonly notifications: PushNotifications
  readonly receipts: SyncSources['receipts']
  readonly web: Web
  readonly logger: Logger
}

/** A pusher that runs. */
interface Running {
  readonly userId: UserId
  readonly key: PusherKey
  stored: StoredPusher
  readonly stopped: AbortController
  badge: number | undefined
}

const firstBackOffMs = 1000
/** The longest pause before a push gateway that does not answer is told again. */
const longestBackOffMs = 3600_000
/** A gateway that is silent for so long misses what there was. */
const giveUpAfterMs = 24 * 3600_000
const requestMs = 60_000
const eventsAtOnce = 100
const idleMs = 3600_000
/** How far a pusher that has nothing to tell moves on before that is written down. */
const rememberEvery = 1000

/** Tells push gateways of events and of unread counts (Push Gateway API). Each pusher follows the log with a cursor of its own. */
export class HttpPushers {
  readonly #deps: HttpPusherDeps
  readonly #running = new Map<string, Running>()
  readonly #loops = new Set<Promise<void>>()
  readonly #stopFollowing: () => void

  constructor(deps: HttpPusherDeps) {
    this.#deps = deps
    this.#stopFollowing = deps.pushers.onChange((userId, key, stored) => this.#restart(userId, key, stored))
  }

  /** Goes on from where each pusher was. */
  async start(): Promise<void> {
    for (const [[userId, appId, pushkey], stored] of await this.#deps.pushers.all()) this.#run(userId, { appId, pushkey }, stored)
  }

  async stop(): Promise<void> {
    this.#stopFollowing()
    for (const { stopped } of this.#running.values()) stopped.abort()
    await Promise.all(this.#loops)
  }

  #restart(userId: UserId, key: PusherKey, stored: StoredPusher | undefined): void {
    const name = nameOf(userId, key)
    this.#running.get(name)?.stopped.abort()
    this.#running.delete(name)
    if (stored) this.#run(userId, key, stored)
  }

  #run(userId: UserId, key: PusherKey, stored: StoredPusher): void {
    const running: Running = { userId, key, stored, stopped: new AbortController(), badge: undefined }
    this.#running.set(nameOf(userId, key), running)
    const loop = this.#follow(running)
      .catch((failure: unknown) => this.#deps.logger.log('warn', 'a pusher ended', { reason: String(failure) }))
      .finally(() => this.#loops.delete(loop))
    this.#loops.add(loop)
  }

  async #follow(pusher: Running): Promise<void> {
    const { stream, clock } = this.#deps
    const { signal } = pusher.stopped
    let position = pusher.stored.position
    for (let backOffMs = firstBackOffMs; !signal.aborted; ) {
      const upTo = stream.current
      const reached = position < upTo ? await this.#process(pusher, position, upTo) : { position: upTo, failed: false }
      position = reached.position
      if (signal.aborted) return
      if (reached.failed) {
        await clock.sleep(backOffMs, signal)
        backOffMs = Math.min(backOffMs * 2, longestBackOffMs)
      } else {
        backOffMs = firstBackOffMs
        await waitPast(stream, position, { clock, timeoutMs: idleMs, signal })
      }
    }
  }

  /** Tells of what came after `since`: how far that went, and whether it stopped at something that could not be told. */
  async #process(pusher: Running, since: Position, upTo: Position): Promise<{ position: Position; failed: boolean }> {
    const { store, notifications, receipts } = this.#deps
    const records = await store.log(since, upTo, eventsAtOnce)
    const end = records.length < eventsAtOnce ? upTo : (records.at(-1)?.position ?? upTo)
    for (const record of records) {
      const told = await notifications.about(pusher.userId, record)
      if (!told) continue
      if (!(await this.#tell(pusher, told))) return { position: record.position - 1, failed: true }
      if (!(await this.#moved(pusher, record.position))) return { position: record.position, failed: false }
    }
    for (const [, membership] of await store.memberships(pusher.userId)) {
      const isInvite = membership.membership === 'invite' && membership.position > since && membership.position <= end
      const told = isInvite ? await notifications.aboutInvite(pusher.userId, membership) : undefined
      if (told && !(await this.#tell(pusher, told))) return { position: Math.max(since, membership.position - 1), failed: true }
    }
    const hasRead = (await receipts.changedSince(since, end)).some(({ userId }) => userId === pusher.userId)
    if (hasRead) await this.#updateBadge(pusher)
    if (end - pusher.stored.position >= rememberEvery) await this.#moved(pusher, end)
    return { position: end, failed: false }
  }

  /** Whether the gateway took it, or was silent for so long that it is let go. */
  async #tell(pusher: Running, { eventId, roomId, details, tweaks }: PushNotification): Promise<boolean> {
    const isShort = dataOf(pusher).format === 'event_id_only'
    const badge = await this.#deps.notifications.unread(pusher.userId)
    const notification = { event_id: eventId, room_id: roomId, ...(isShort ? {} : details) }
    if (await this.#send(pusher, notification, { badge, ...(isShort ? {} : { tweaks }) })) return true
    if (pusher.stopped.signal.aborted) return true
    const now = this.#deps.clock.now()
    const failingSinceTs = pusher.stored.failingSinceTs ?? now
    if (now - failingSinceTs >= giveUpAfterMs) return true
    if (pusher.stored.failingSinceTs === undefined) await this.#store(pusher, { ...pusher.stored, failingSinceTs })
    return false
  }

  async #updateBadge(pusher: Running): Promise<void> {
    const badge = await this.#deps.notifications.unread(pusher.userId)
    // A count that cannot be told now goes with the next notification.
    if (badge !== pusher.badge) await this.#send(pusher, {}, { badge })
  }

  async #send(pusher: Running, notification: JsonObject, { badge, tweaks }: { badge: number; tweaks?: JsonObject }): Promise<boolean> {
    const { url, ...data } = dataOf(pusher)
    const { appId, pushkey } = pusher.key
    const device = {
      app_id: appId,
      pushkey,
      pushkey_ts: Math.floor(pusher.stored.setTs / 1000),
      data,
      ...(tweaks === undefined ? {} : { tweaks }),
    }
    const body = { notification: { ...notification, ...(badge === 0 ? {} : { counts: { unread: badge } }), devices: [device] } }
    const answer = await this.#ask(pusher, String(url), body)
    if (!answer || answer.status < 200 || answer.status > 299) return false
    pusher.badge = badge
    const rejected = isObject(answer.body) ? answer.body.rejected : undefined
    if (Array.isArray(rejected) && rejected.includes(pushkey)) await this.#deps.pushers.delete(pusher.userId, pusher.key)
    return true
  }

  async #ask(pusher: Running, url: string, body: JsonObject): Promise<Awaited<ReturnType<Web['notify']>> | undefined> {
    const { clock, web } = this.#deps
    const answered = new AbortController()
    const late = new AbortController()
    void clock.sleep(requestMs, answered.signal).then(() => late.abort())
    try {
      return await web.notify(url, body, AbortSignal.any([pusher.stopped.signal, late.signal]))
    } catch {
      return undefined
    } finally {
      answered.abort()
    }
  }

  /** Writes down how far a pusher is; `false` once it is no longer there. */
  async #moved(pusher: Running, position: Position): Promise<boolean> {
    const { failingSinceTs: _, ...stored } = pusher.stored
    await this.#store(pusher, { ...stored, position })
    return !pusher.stopped.signal.aborted
  }

  async #store(pusher: Running, stored: StoredPusher): Promise<void> {
    // One that was replaced or removed meanwhile is not brought back.
    if (pusher.stopped.signal.aborted) return
    pusher.stored = stored
    await this.#deps.pushers.moved(pusher.userId, pusher.key, stored)
  }
}

function dataOf({ stored }: Running): JsonObject {
  return isObject(stored.pusher.data) ? stored.pusher.data : {}
}

function nameOf(userId: UserId, { appId, pushkey }: PusherKey): string {
  return JSON.stringify([userId, appId, pushkey])
}
