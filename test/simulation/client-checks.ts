import type { EventRecord } from '../../src/rooms/room-store.ts'
import { type EventId, stateKeyOf } from '../../src/spec/event.ts'
import { historyVisibilityOf, mayUserSee } from '../../src/spec/history-visibility.ts'
import type { RoomModel } from './room-model.ts'
import { isPlaced, type RoomView } from './room-view.ts'
import { ShownRoom } from './shown-room.ts'
import type { SimulatedClient } from './simulated-client.ts'

/** What `/messages` gave a client who went back through a room's history. */
export interface ReadHistory {
  /** From each place where a timeline was limited. */
  readonly fromGaps: readonly (readonly EventId[])[]
  readonly fromEnd: readonly EventId[]
}

/** What is known of a room besides what the client saw of it. */
interface Truth {
  readonly model: RoomModel
  readonly view: RoomView
}

/** Has a client go back from all gaps, and from the end, of a room that it is in. Servers may fetch what they lack for it. */
export async function readHistory(client: SimulatedClient, roomId: string): Promise<ReadHistory> {
  const fromGaps: EventId[][] = []
  for (const gap of client.rooms.get(roomId)?.gaps ?? []) fromGaps.push(await client.history(roomId, gap))
  return { fromGaps, fromEnd: await client.history(roomId) }
}

/** Whether what a client was shown of a room is all of it, once, in order, and nothing that is not for it. */
export function clientFaults(client: SimulatedClient, { model, view }: Truth, history: ReadHistory | undefined): string[] {
  const shown = client.rooms.get(view.room.roomId) ?? new ShownRoom()
  const who = `${client.userId} of ${view.room.roomId}`
  const faults = timelineFaults(shown, view).map((fault) => `${who}: ${fault}`)
  // The `leave` section tells of a ban, or of an invitation's end, whatever the room's history shows to who was not in it.
  const isHidden = (eventId: EventId) => !isVisible(client, eventId, { model, view }) && !shown.ends.has(eventId)
  const unseen = shown.timelines.flatMap(({ eventIds }) => eventIds).filter(isHidden)
  if (unseen.length > 0) faults.push(`${who} was shown what is hidden from them: ${unseen.join()}`)
  if (!history) return faults
  return [...faults, ...completenessFaults(client, { model, view, shown, history }).map((fault) => `${who}: ${fault}`)]
}

/** Everything shown is stored for good, and was shown once, in the order in which it came, but for what starts afresh. */
function timelineFaults({ timelines, ends }: ShownRoom, { byId }: RoomView): string[] {
  const faults: string[] = []
  const shown = new Set<EventId>()
  let newest = 0
  for (const { eventIds, startsAfresh } of timelines) {
    if (new Set(eventIds).size < eventIds.length) faults.push('a timeline holds an event twice')
    for (const eventId of eventIds) {
      const record = byId.get(eventId)
      if (!record && ends.has(eventId)) continue
      if (!record) faults.push(`${eventId} was shown and is not stored`)
      else if (record.stored.status !== 'accepted') faults.push(`${eventId} was shown and is ${record.stored.status}`)
      const position = record?.position ?? 0
      if (!startsAfresh && shown.has(eventId)) faults.push(`${eventId} was shown twice`)
      else if (!startsAfresh && position < newest) faults.push(`${eventId} was shown late`)
      newest = Math.max(newest, position)
      shown.add(eventId)
    }
  }
  return faults
}

function completenessFaults(
  client: SimulatedClient,
  { model, view, shown, history }: Truth & { readonly shown: ShownRoom; readonly history: ReadHistory },
): string[] {
  const faults: string[] = []
  const { fromGaps, fromEnd } = history
  for (const page of [...fromGaps, fromEnd]) {
    if (new Set(page).size < page.length) faults.push('history gave an event twice')
    const hidden = page.filter((eventId) => !isVisible(client, eventId, { model, view }))
    if (hidden.length > 0) faults.push(`history gave what is hidden: ${hidden.join()}`)
  }
  const wanted = mustSee(client, model, view)
  const neverRead = wanted.filter((record) => isPlaced(record) && !fromEnd.includes(record.event.eventId))
  if (neverRead.length > 0) faults.push(`history never gives ${idsOf(neverRead)}`)
  const seen = new Set([...shown.timelines.flatMap(({ eventIds }) => eventIds), ...fromGaps.flat()])
  const missed = wanted.filter(({ event, stored }) => stored.live && !seen.has(event.eventId))
  if (missed.length > 0) faults.push(`neither syncs nor their gaps gave ${idsOf(missed)}`)
  const stale = [...view.room.state].filter(([key, eventId]) => shown.state.get(key) !== eventId)
  if (stale.length > 0) faults.push(`the state as told is not that of the room: ${stale.map(([key]) => key).join()}`)
  return faults
}

function idsOf(records: readonly EventRecord[]): string {
  return records.map(({ event }) => event.eventId).join()
}

/** What the server has accepted, and what was sent while the user was in the room. */
function mustSee(client: SimulatedClient, model: RoomModel, view: RoomView): EventRecord[] {
  return view.records.filter((record) => {
    if (record.stored.status !== 'accepted' || !isPlaced(record)) return false
    return membershipBefore(client, record.event.eventId, model) === 'join'
  })
}

/** Whether the rules of history visibility allow the user to see the event at all, giving them the benefit of a later join. */
function isVisible(client: SimulatedClient, eventId: EventId, { model, view }: Truth): boolean {
  const event = view.byId.get(eventId)?.event
  const before = model.judged.get(eventId)?.stateBefore
  if (!event || !before) return false
  const setting = model.judged.get(before.get(stateKeyOf('m.room.history_visibility', '')) ?? '')?.event
  const viewer = { userId: client.userId, membership: membershipBefore(client, eventId, model), joinedAfter: true }
  return mayUserSee(event, historyVisibilityOf(setting?.content), viewer)
}

function membershipBefore({ userId }: SimulatedClient, eventId: EventId, model: RoomModel) {
  const holder = model.judged.get(eventId)?.stateBefore.get(stateKeyOf('m.room.member', userId))
  return holder === undefined ? undefined : model.judged.get(holder)?.event.content.membership
}
