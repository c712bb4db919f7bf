import type { RoomId } from '../spec/event.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import type { Position } from '../streams/stream.ts'

type Memberships = ReadonlyMap<RoomId, StoredMembership>

const known = new WeakMap<Memberships, Position>()

/**
 * The position of the newest of a user's memberships, 0 where there are none: a sync from there on need not look at each of
 * them. A store hands out the same map until one changes.
 */
export function newestMembership(memberships: Memberships): Position {
  const found = known.get(memberships)
  if (found !== undefined) return found
  const newest = memberships.values().reduce((most, { position }) => Math.max(most, position), 0)
  known.set(memberships, newest)
  return newest
}
