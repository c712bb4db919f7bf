import { countOf, type Member, type MemberList } from '../rooms/member-lists.ts'
import type { UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'

const heroCount = 5

/** A room's summary in `/sync`, and the heroes whose membership events go with it. */
export interface RoomSummary {
  readonly json: JsonObject
  readonly heroes: readonly Member[]
}

/**
 * Counts and heroes of a room for `userId` (Client-Server API, `GET /sync`, "RoomSummary"). Heroes only where the room has no
 * name of its own to show.
 */
export function summaryOf(members: MemberList, userId: UserId, isNamed: boolean): RoomSummary {
  const heroes = isNamed ? [] : heroesOf(members, userId)
  return {
    json: {
      ...(isNamed ? {} : { 'm.heroes': heroes.map(([hero]) => hero) }),
      'm.joined_member_count': countOf(members, 'join'),
      'm.invited_member_count': countOf(members, 'invite'),
    },
    heroes: heroes.map(([, member]) => member),
  }
}

function heroesOf(members: MemberList, userId: UserId): [UserId, Member][] {
  const present: [UserId, Member][] = []
  const gone: [UserId, Member][] = []
  for (const [other, member] of members) {
    if (other === userId) continue
    if (member.membership === 'join' || member.membership === 'invite') present.push([other, member])
    else if (member.membership !== 'knock') gone.push([other, member])
  }
  const candidates = present.length > 0 ? present : gone
  return candidates.sort(([, a], [, b]) => a.record.position - b.record.position).slice(0, heroCount)
}
