import { type EventRecord, memberEvents, type Room, RoomStore } from '../../src/rooms/room-store.ts'
import { type EventId, stateKeyOf, type UserId } from '../../src/spec/event.ts'
import { serverNameOf } from '../../src/spec/identifiers.ts'
import { isAllowedByAcl } from '../../src/spec/server-acl.ts'
import { events } from '../../src/storage/tables/rooms.ts'
import type { SimulatedServer } from './simulated-server.ts'

/** What a server holds of a room: read from its disk by fresh eyes. */
export interface RoomView {
  readonly server: string
  readonly room: Room
  /** In the order in which they found their places. */
  readonly records: readonly EventRecord[]
  readonly byId: ReadonlyMap<EventId, EventRecord>
  readonly joined: ReadonlySet<UserId>
}

/** `undefined` where the server never was in the room. */
export async function viewRoom(server: SimulatedServer, roomId: string): Promise<RoomView | undefined> {
  const disk = server.disk.inspect()
  const store = new RoomStore(disk)
  const room = await store.room(roomId)
  if (!room) return undefined
  const rows = await disk.read([events], (tx) => tx.range(events, {}))
  const found = await store.events(rows.flatMap(([, { eventId, roomId: of }]) => (of === roomId ? eventId : [])))
  const records = [...found.values()].sort((a, b) => a.position - b.position)
  const members = memberEvents(room.state).filter(([, eventId]) => found.get(eventId)?.event.content.membership === 'join')
  return { server: server.name, room, records, byId: found, joined: new Set(members.map(([userId]) => userId)) }
}

/** Whether the server has a user in the room, as `view` has it. */
export function isResident(server: string, { joined }: RoomView): boolean {
  return [...joined].some((userId) => serverNameOf(userId) === server)
}

/** Whether the server is in the room, and may speak there. */
export function isWelcome(server: string, view: RoomView): boolean {
  const acl = view.byId.get(view.room.state.get(stateKeyOf('m.room.server_acl', '')) ?? '')
  return isResident(server, view) && (acl === undefined || isAllowedByAcl(server, acl.event.content))
}

/** Whether the event has a place in the graph there. */
export function isPlaced({ stored }: EventRecord): boolean {
  return stored.stateAfter !== undefined
}

/** A join through another server: what was known of the room before is not its head any more. */
export function comesBack({ stored }: EventRecord): boolean {
  return stored.distributedBy === 'resident'
}
