import { currentContent } from '../rooms/current-content.ts'
import type { EventRecord } from '../rooms/room-store.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import type { ClientEvents, EventAudience } from './client-event.ts'
import { mostBundled, type Relations, relationOf } from './relations.ts'

/** Writes events with what the server knows of their children under `m.relations` (Client-Server API, "Aggregations of child events"). */
export class Aggregations {
  readonly #events: ClientEvents
  readonly #relations: Relations

  constructor(events: ClientEvents, relations: Relations) {
    this.#events = events
    this.#relations = relations
  }

  /** Like `ClientEvents.write`, with bundled aggregations. */
  async write(records: readonly EventRecord[], audience: EventAudience): Promise<JsonObject[]> {
    return this.#write(records, audience, true)
  }

  async #write(records: readonly EventRecord[], audience: EventAudience, withThreads: boolean): Promise<JsonObject[]> {
    const parents = records.filter(({ event }) => event.stateKey === undefined)
    const [written, children] = await Promise.all([
      this.#events.write(records, audience),
      parents.length === 0
        ? undefined
        : this.#relations.bundled(
            audience.viewpoint.roomId,
            parents.map(({ event }) => event.eventId),
          ),
    ])
    return Promise.all(
      written.map(async (event, index) => {
        const record = records[index]
        const related = record && children?.get(record.event.eventId)
        if (!record || !related || related.children.length === 0) return event
        const visible = await audience.viewpoint.visible(related.children)
        const bundle = await this.#bundle(record, visible, { audience, withThreads, moreReplies: related.moreReplies })
        return Object.keys(bundle).length === 0 ? event : { ...event, unsigned: { ...asObject(event.unsigned), 'm.relations': bundle } }
      }),
    )
  }

  async #bundle(
    parent: EventRecord,
    children: readonly EventRecord[],
    {
      audience,
      withThreads,
      moreReplies,
    }: { readonly audience: EventAudience; readonly withThreads: boolean; readonly moreReplies: number },
  ): Promise<JsonObject> {
    const ofType = (type: string) => children.filter((child) => relationOf(currentContent(child))?.type === type)
    const references = ofType('m.reference').slice(-mostBundled)
    const edit = latestEdit(parent, ofType('m.replace'))
    // What relates to another event is no root: relations that say so are ignored.
    const thread = withThreads && !relationOf(parent.event.content) ? ofType('m.thread') : []
    return {
      ...(references.length > 0 ? { 'm.reference': { chunk: references.map(({ event }) => ({ event_id: event.eventId })) } } : {}),
      ...(edit ? { 'm.replace': (await this.#events.write([edit], audience))[0] ?? {} } : {}),
      ...(thread.length > 0 ? { 'm.thread': await this.#thread(parent, thread, { audience, moreReplies }) } : {}),
    }
  }

  async #thread(
    root: EventRecord,
    thread: readonly EventRecord[],
    { audience, moreReplies }: { readonly audience: EventAudience; readonly moreReplies: number },
  ): Promise<JsonObject> {
    const latest = thread.reduce((newest, child) => (isLater(child, newest) ? child : newest))
    const { userId } = audience.viewpoint
    const [latestEvent] = await this.#write([latest], audience, false)
    return {
      latest_event: latestEvent ?? {},
      count: thread.length + moreReplies,
      current_user_participated: root.event.sender === userId || thread.some(({ event }) => event.sender === userId),
    }
  }
}

/** The most recent valid replacement (Client-Server API, "Server-side aggregation of m.replace relationships"). */
export function latestEdit(original: EventRecord, edits: readonly EventRecord[]): EventRecord | undefined {
  if (original.stored.redactedBy !== undefined || relationOf(original.event.content)?.type === 'm.replace') return undefined
  return edits
    .filter((edit) => isValidEdit(original, edit))
    .reduce<EventRecord | undefined>((newest, edit) => (newest && !isNewer(edit, newest) ? newest : edit), undefined)
}

/** Whether an event replaces another (Client-Server API, "Validity of replacement events"). */
export function isValidEdit({ event: original }: EventRecord, { event: edit, stored }: EventRecord): boolean {
  // The new content of an encrypted edit lies in its ciphertext.
  const hasContent = edit.type === 'm.room.encrypted' || isObject(edit.content['m.new_content'])
  return (
    stored.redactedBy === undefined &&
    edit.sender === original.sender &&
    edit.type === original.type &&
    edit.stateKey === undefined &&
    original.stateKey === undefined &&
    hasContent
  )
}

function isNewer({ event: a }: EventRecord, { event: b }: EventRecord): boolean {
  return a.originServerTs === b.originServerTs ? a.eventId > b.eventId : a.originServerTs > b.originServerTs
}

/** Whether `a` comes after `b` in the room's topological order. */
export function isLater(a: EventRecord, b: EventRecord): boolean {
  return a.event.depth === b.event.depth ? a.position > b.position : a.event.depth > b.event.depth
}

function asObject(value: JsonObject[string] | undefined): JsonObject {
  return isObject(value) ? value : {}
}
