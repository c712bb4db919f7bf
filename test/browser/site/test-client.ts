import {
  ClientEvent,
  createClient,
  Direction,
  EventStatus,
  type EventTimeline,
  EventType,
  Filter,
  type MatrixClient,
  type MatrixEvent,
  Method,
  MsgType,
  PendingEventOrdering,
  Preset,
  SyncState,
} from 'matrix-js-sdk'
import type { CryptoApi } from 'matrix-js-sdk/lib/crypto-api'
import { SlidingSync } from 'matrix-js-sdk/lib/sliding-sync.js'
import { quietLogger } from '../../../demo/session/quiet-logger.ts'
import type { SyncAnswer } from './client-report.ts'

const timelineLimit = 500

/** Who is logged in, as the page keeps it. */
export interface ClientSession {
  readonly name: string
  readonly userId: string
  readonly deviceId: string
  readonly accessToken: string
  readonly recoveryKey: readonly number[]
  /** Whether the client learns of everything by sliding sync alone. */
  readonly slides?: boolean
}

/** A picture as it was sent. */
export interface SentPicture {
  readonly mxc: string
  readonly bytes: readonly number[]
}

/** The SDK's client with encryption, as tests use it. */
export class TestClient {
  readonly session: ClientSession
  readonly sdk: MatrixClient
  #talking: Promise<unknown> = Promise.resolve()
  #isTalking = false

  private constructor(session: ClientSession) {
    this.session = session
    this.sdk = createClient({
      baseUrl: location.origin,
      userId: session.userId,
      deviceId: session.deviceId,
      accessToken: session.accessToken,
      fetchFn: reportingFetch(session.name),
      disableVoip: true,
      logger: quietLogger,
      cryptoCallbacks: {
        getSecretStorageKey: async ({ keys }) => {
          const [id] = Object.keys(keys)
          return id === undefined ? null : [id, Uint8Array.from(session.recoveryKey)]
        },
      },
    })
  }

  /** Resolves once the client can decrypt and has synced. */
  static async start(session: ClientSession): Promise<TestClient> {
    const client = new TestClient(session)
    await client.sdk.initRustCrypto({ cryptoDatabasePrefix: `crypto-${session.deviceId}` })
    const synced = new Promise<void>((resolve) => client.sdk.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve()))
    const filter = new Filter(session.userId)
    // No sync leaves anything out that one of these tests writes.
    filter.setTimelineLimit(timelineLimit)
    filter.setLazyLoadMembers(true)
    await client.sdk.startClient({
      ...(session.slides ? { slidingSync: slidingSync(client.sdk) } : {}),
      filter,
      initialSyncLimit: timelineLimit,
      lazyLoadMembers: true,
      pendingEventOrdering: PendingEventOrdering.Detached,
    })
    await synced
    return client
  }

  get crypto() {
    const crypto = this.sdk.getCrypto()
    if (!crypto) throw new Error('there is no encryption')
    return crypto
  }

  /** Makes cross-signing keys and a backup of message keys, whose secrets the recovery key opens. */
  async setUpTrust(password: string): Promise<void> {
    const identifier = { type: 'm.id.user', user: this.session.userId }
    await this.crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (upload) => void (await upload({ type: 'm.login.password', identifier, password })),
    })
    await this.crypto.bootstrapSecretStorage({
      setupNewKeyBackup: true,
      createSecretStorageKey: async () => ({ privateKey: Uint8Array.from(this.session.recoveryKey) }),
    })
  }

  /** Signs this device and takes message keys from the backup, as the recovery key allows. */
  async takeTrust(): Promise<void> {
    await this.crypto.userHasCrossSigningKeys(this.session.userId, true)
    await this.crypto.bootstrapCrossSigning({})
    await this.crypto.loadSessionBackupPrivateKeyFromSecretStorage()
    await this.crypto.checkKeyBackupAndEnable()
    await this.crypto.restoreKeyBackup()
  }

  /** Trusts this device by the secrets that another gave it, and takes the message keys of the backup. */
  async takeSecrets(secrets: Parameters<NonNullable<CryptoApi['importSecretsBundle']>>[0]): Promise<void> {
    await this.crypto.importSecretsBundle?.(secrets)
    await this.crypto.crossSignDevice(this.session.deviceId)
    await this.crypto.checkKeyBackupAndEnable()
    await this.crypto.restoreKeyBackup()
  }

  /** What this device says of its own trust, and how many message keys are in the backup. */
  async trust() {
    const status = await this.crypto.getDeviceVerificationStatus(this.session.userId, this.session.deviceId)
    const backup = await this.sdk.http.authedRequest<{ count: number }>(Method.Get, '/room_keys/version')
    return {
      crossSigningReady: await this.crypto.isCrossSigningReady(),
      secretStorageReady: await this.crypto.isSecretStorageReady(),
      deviceIsSigned: status?.crossSigningVerified ?? false,
      backupIsActive: (await this.crypto.getActiveSessionBackupVersion()) !== null,
      // A backup is active as soon as the device trusts it, which may be before another device gave it the key.
      backupKeyIsHere: (await this.crypto.getSessionBackupPrivateKey()) !== null,
      keysInBackup: backup.count,
    }
  }

  async createEncryptedRoom(guests: readonly string[]): Promise<string> {
    const { room_id: roomId } = await this.sdk.createRoom({
      preset: Preset.TrustedPrivateChat,
      invite: [...guests],
      initial_state: [{ type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
    })
    await this.#until(() => this.sdk.getRoom(roomId)?.hasEncryptionStateEvent())
    return roomId
  }

  /** Accepts an invitation, once it has come. */
  async join(roomId: string): Promise<void> {
    await this.#until(() => this.sdk.getRoom(roomId)?.getMyMembership() === 'invite')
    await this.sdk.joinRoom(roomId)
    await this.#until(() => this.sdk.getRoom(roomId)?.getMyMembership() === 'join')
  }

  /** Resolves once the client knows that so many have joined: what it sends from then on, they can read. */
  async membersAre(roomId: string, count: number): Promise<void> {
    await this.#until(() => this.sdk.getRoom(roomId)?.getJoinedMemberCount() === count)
  }

  async say(roomId: string, text: string): Promise<string> {
    return (await this.sdk.sendTextMessage(roomId, text)).event_id
  }

  /** Says one thing after the other until {@link stopTalking}. What fails is sent again, as the same message, until it is acknowledged. */
  talk(roomId: string, prefix: string): void {
    this.#isTalking = true
    this.#talking = this.#talk(roomId, prefix)
  }

  async stopTalking(): Promise<void> {
    this.#isTalking = false
    await this.#talking
  }

  /** Every text of the room that homeserver and client hold, decrypted, oldest first; `undecryptable` where a key is missing. */
  async history(roomId: string): Promise<string[]> {
    const room = this.sdk.getRoom(roomId)
    if (!room) return []
    while (await this.sdk.paginateEventTimeline(oldest(room.getLiveTimeline()), { backwards: true, limit: 100 }));
    const events = timelinesUpTo(room.getLiveTimeline()).flatMap((timeline) => timeline.getEvents())
    const kept = events.filter((event) => event.status === null)
    await Promise.all(kept.map((event) => this.sdk.decryptEventIfNeeded(event)))
    return kept.flatMap(textOf)
  }

  /** Syncs apart from the SDK: the answers from `since`, or from the beginning, until there is nothing new. */
  async syncsSince(since?: string): Promise<SyncAnswer[]> {
    const filter = JSON.stringify({ room: { timeline: { limit: timelineLimit } } })
    const query = new URLSearchParams({ filter, ...(since === undefined ? {} : { since }) })
    const headers = { authorization: `Bearer ${this.session.accessToken}` }
    const response = await fetch(`/_matrix/client/v3/sync?${query}`, { headers })
    if (!response.ok) throw new Error(`/sync was answered ${response.status}`)
    const answer = syncAnswer(since, await response.json())
    return answer.eventIds.length === 0 ? [answer] : [answer, ...(await this.syncsSince(answer.next))]
  }

  /** Uploads a picture and sends it into the room. */
  async sendPicture(roomId: string, [width, height]: readonly [number, number]): Promise<SentPicture> {
    const canvas = new OffscreenCanvas(width, height)
    const drawing = canvas.getContext('2d')
    if (!drawing) throw new Error('there is no canvas')
    drawing.fillStyle = 'teal'
    drawing.fillRect(0, 0, width / 2, height)
    const blob = await canvas.convertToBlob({ type: 'image/png' })
    const { content_uri: mxc } = await this.sdk.uploadContent(blob, { name: 'picture.png', type: 'image/png' })
    const info = { w: width, h: height, size: blob.size, mimetype: 'image/png' }
    await this.sdk.sendMessage(roomId, { msgtype: MsgType.Image, body: 'picture.png', url: mxc, info })
    return { mxc, bytes: [...new Uint8Array(await blob.arrayBuffer())] }
  }

  /** The pictures of the room's messages. */
  pictures(roomId: string): string[] {
    const events = this.sdk.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []
    return events.filter((event) => event.getContent().msgtype === MsgType.Image).map((event) => event.getContent().url)
  }

  /** Where a page finds content; scaled where a side is given. */
  pictureUrl(mxc: string, side?: number): string {
    return this.sdk.mxcUrlToHttp(mxc, side, side, side === undefined ? undefined : 'scale', false, true, true) ?? ''
  }

  /** Downloads content as clients do, with the access token in a header. */
  async download(mxc: string): Promise<number[]> {
    const response = await fetch(this.pictureUrl(mxc), { headers: { authorization: `Bearer ${this.session.accessToken}` } })
    if (!response.ok) throw new Error(`the download was answered ${response.status}`)
    return [...new Uint8Array(await response.arrayBuffer())]
  }

  async #talk(roomId: string, prefix: string): Promise<void> {
    for (let count = 0; this.#isTalking; count++) {
      const text = `${prefix}${count}`
      const eventId = await this.#sayUntilAcknowledged(roomId, text)
      await window.report?.({ type: 'acknowledged', text, eventId })
    }
  }

  async #sayUntilAcknowledged(roomId: string, text: string): Promise<string> {
    const transactionId = `${this.session.deviceId}-${text}`
    try {
      return (await this.sdk.sendTextMessage(roomId, null, text, transactionId)).event_id
    } catch (failure) {
      const room = this.sdk.getRoom(roomId)
      const unsent = room?.getPendingEvents().find((event) => event.getTxnId() === transactionId)
      if (!room || unsent?.status !== EventStatus.NOT_SENT) throw failure
      for (;;) {
        const answer = await this.sdk.resendEvent(unsent, room).catch(() => undefined)
        if (answer) return answer.event_id
      }
    }
  }

  /** Looks again after every sync: nothing changes in between. */
  async #until(check: () => boolean | undefined): Promise<void> {
    while (!check()) await new Promise((resolve) => this.sdk.once(ClientEvent.Sync, resolve))
  }
}

/** All rooms, of each the last events. */
function slidingSync(sdk: MatrixClient): SlidingSync {
  const state = ['m.room.create', 'm.room.encryption', 'm.room.name'].map((type) => [type, ''])
  const required = { timeline_limit: 20, required_state: [['m.room.member', '$LAZY'], ...state] }
  return new SlidingSync(location.origin, new Map([['all', { ranges: [[0, 20]], ...required }]]), required, sdk, 30_000)
}

/** A `fetch` that tells a test what each answer of `/sync` brings, before the client sees it. */
function reportingFetch(name: string): typeof fetch {
  return async (resource, options) => {
    const response = await fetch(resource, options)
    const url = new URL(resource instanceof Request ? resource.url : resource, location.href)
    if (window.report && response.ok && url.pathname.endsWith('/sync')) {
      const since = url.searchParams.get('since') ?? undefined
      await window.report({ type: 'synced', name, ...syncAnswer(since, await response.clone().json()) })
    }
    return response
  }
}

interface SyncBody {
  readonly next_batch: string
  readonly rooms?: {
    readonly join?: Readonly<Record<string, { readonly timeline: { readonly events: { event_id: string }[] } }>>
  }
}

function syncAnswer(since: string | undefined, { next_batch: next, rooms }: SyncBody): SyncAnswer {
  const events = Object.values(rooms?.join ?? {}).flatMap(({ timeline }) => timeline.events)
  return { since, next, eventIds: events.map(({ event_id: eventId }) => eventId) }
}

function timelinesUpTo(timeline: EventTimeline): EventTimeline[] {
  const before = timeline.getNeighbouringTimeline(Direction.Backward)
  return before ? [...timelinesUpTo(before), timeline] : [timeline]
}

function oldest(timeline: EventTimeline): EventTimeline {
  return timelinesUpTo(timeline)[0] ?? timeline
}

function textOf(event: MatrixEvent): string[] {
  if (event.isDecryptionFailure()) return ['undecryptable']
  const { msgtype, body } = event.getContent()
  return event.getType() === EventType.RoomMessage && msgtype === MsgType.Text && event.isEncrypted() ? [String(body)] : []
}
