import { EventType, MsgType, Preset, RelationType, RoomType, SearchOrderBy } from 'matrix-js-sdk'
import type { TestClient } from './test-client.ts'

/** What the SDK's client can do in a room besides talking; the results are what the homeserver answered. */
export class Conversation {
  readonly #client: TestClient
  readonly #roomId: string

  constructor(client: TestClient, roomId: string) {
    this.#client = client
    this.#roomId = roomId
  }

  async edit(eventId: string, text: string): Promise<void> {
    await this.#client.sdk.sendMessage(this.#roomId, {
      msgtype: MsgType.Text,
      body: `* ${text}`,
      'm.new_content': { msgtype: MsgType.Text, body: text },
      'm.relates_to': { rel_type: RelationType.Replace, event_id: eventId },
    })
  }

  async react(eventId: string, key: string): Promise<void> {
    await this.#client.sdk.sendEvent(this.#roomId, EventType.Reaction, {
      'm.relates_to': { rel_type: RelationType.Annotation, event_id: eventId, key },
    })
  }

  /** Leaves a text with the homeserver, which is to say it after so many milliseconds; resolves with the id by which it is taken back. */
  async sayLater(text: string, delay: number): Promise<string> {
    const content = { msgtype: MsgType.Text, body: text } as const
    return (await this.#client.sdk._unstable_sendDelayedEvent(this.#roomId, { delay }, null, EventType.RoomMessage, content)).delay_id
  }

  async sayInThread(rootId: string, text: string): Promise<string> {
    return (await this.#client.sdk.sendTextMessage(this.#roomId, rootId, text)).event_id
  }

  /** The keys of the reactions to a message, as many times as they were given. */
  async reactionsTo(eventId: string): Promise<string[]> {
    const { events } = await this.#client.sdk.relations(this.#roomId, eventId, RelationType.Annotation, EventType.Reaction)
    return events.map((event) => String(event.getRelation()?.key)).sort()
  }

  /** The texts of a thread, oldest first, decrypted. */
  async thread(rootId: string): Promise<string[]> {
    const { events } = await this.#client.sdk.relations(this.#roomId, rootId, RelationType.Thread, null)
    for (const event of events) await this.#client.sdk.decryptEventIfNeeded(event)
    return events.map((event) => String(event.getContent().body)).reverse()
  }

  /** The text of a message as the client shows it: with the last edit. */
  async textOf(eventId: string): Promise<string> {
    const room = this.#client.sdk.getRoom(this.#roomId)
    const event = room?.findEventById(eventId)
    if (event?.replacingEvent()) await this.#client.sdk.decryptEventIfNeeded(event.replacingEvent() ?? event)
    return String(event?.getContent().body)
  }

  async markRead(eventId: string): Promise<void> {
    const event = this.#client.sdk.getRoom(this.#roomId)?.findEventById(eventId)
    if (!event) throw new Error('the client does not know this event')
    await this.#client.sdk.sendReadReceipt(event)
  }

  /** Who has read a message, or one after it. */
  readersOf(eventId: string): string[] {
    const room = this.#client.sdk.getRoom(this.#roomId)
    const members = room?.getJoinedMembers() ?? []
    return members.filter(({ userId }) => room?.hasUserReadEvent(userId, eventId)).map(({ userId }) => userId)
  }

  unread(): number {
    return this.#client.sdk.getRoom(this.#roomId)?.getUnreadNotificationCount() ?? 0
  }

  /** What a search of all rooms finds, best first. */
  async search(term: string): Promise<string[]> {
    const { search_categories: found } = await this.#client.sdk.search({
      body: { search_categories: { room_events: { search_term: term, order_by: SearchOrderBy.Rank } } },
    })
    return (found.room_events?.results ?? []).map(({ result }) => String(result?.content.body))
  }

  /** A space that this room is in; resolves with the names of the rooms that the hierarchy shows, the space first. */
  async inSpace(name: string): Promise<(string | undefined)[]> {
    const { sdk } = this.#client
    const { room_id: space } = await sdk.createRoom({ name, preset: Preset.PrivateChat, creation_content: { type: RoomType.Space } })
    await sdk.sendStateEvent(space, EventType.SpaceChild, { via: [sdk.getDomain() ?? ''] }, this.#roomId)
    return (await sdk.getRoomHierarchy(space)).rooms.map(({ name: each }) => each)
  }
}
