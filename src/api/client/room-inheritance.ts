import type { RoomStore } from '../../rooms/room-store.ts'
import type { RoomId, UserId } from '../../spec/event.ts'
import { isObject } from '../../spec/json.ts'
import type { PushRule, PushRuleKind } from '../../spec/push-rules.ts'
import type { PushRules } from '../../users/push-rules.ts'
import type { Tags } from '../../users/tags.ts'

interface InheritanceDeps {
  readonly store: RoomStore
  readonly tags: Tags
  readonly pushRules: PushRules
}

/** Gives a user who has come to a room what they had set for the room that it replaces, if it replaces any. Never rejects. */
export type Inherit = (userId: UserId, roomId: RoomId) => Promise<void>

/** Tags and push rules go along when a room is upgraded (Client-Server API, "Room Upgrades", "Server behaviour"). */
export function inheritance(deps: InheritanceDeps): Inherit {
  return async (userId, roomId) => {
    try {
      const old = await replacedBy(roomId, userId, deps.store)
      if (old === undefined) return
      await inheritTags(deps.tags, userId, [old, roomId])
      await inheritPushRules(deps.pushRules, userId, [old, roomId])
    } catch {
      // They are in the room: that what they had set did not come along is no reason to tell them otherwise.
    }
  }
}

/** The room that the user was in, and that says itself that this one replaces it, or whose replacement the user made. */
async function replacedBy(roomId: RoomId, userId: UserId, store: RoomStore): Promise<RoomId | undefined> {
  const room = await store.room(roomId)
  const create = room && (await store.stateEvent(room.state, 'm.room.create', ''))
  const { predecessor } = create?.content ?? {}
  const old = isObject(predecessor) ? predecessor.room_id : undefined
  if (typeof old !== 'string' || old === roomId || !(await store.memberships(userId)).has(old)) return undefined
  const left = await store.room(old)
  const tombstone = left && (await store.stateEvent(left.state, 'm.room.tombstone', ''))
  return create?.sender === userId || tombstone?.content.replacement_room === roomId ? old : undefined
}

async function inheritTags(tags: Tags, userId: UserId, [old, roomId]: readonly [RoomId, RoomId]): Promise<void> {
  const own = await tags.of(userId, roomId)
  for (const [name, value] of Object.entries(await tags.of(userId, old))) {
    if (isObject(value) && !Object.hasOwn(own, name)) await tags.set(userId, roomId, { name, value })
  }
}

async function inheritPushRules(pushRules: PushRules, userId: UserId, [old, roomId]: readonly [RoomId, RoomId]): Promise<void> {
  const kinds: readonly PushRuleKind[] = ['override', 'room', 'underride']
  const rules = await pushRules.of(userId)
  for (const kind of kinds) {
    const known = new Set(rules[kind].map(({ rule_id: ruleId }) => ruleId))
    for (const rule of rules[kind]) {
      const moved = rule.default ? undefined : ruleFor(rule, [old, roomId])
      if (moved && !known.has(moved.rule_id)) await pushRules.put(userId, kind, { rule: moved, place: {} })
    }
  }
}

/** The rule said of the new room; `undefined` for one that is not of the old one. */
function ruleFor(rule: PushRule, [old, roomId]: readonly [RoomId, RoomId]): PushRule | undefined {
  const conditions = rule.conditions?.map((condition) =>
    condition.key === 'room_id' && condition.pattern === old ? { ...condition, pattern: roomId } : condition,
  )
  const isOfRoom = rule.rule_id === old || conditions?.some((condition, i) => condition !== rule.conditions?.[i])
  if (!isOfRoom) return undefined
  const ruleId = rule.rule_id.includes(old) ? rule.rule_id.replaceAll(old, roomId) : roomId
  return { ...rule, rule_id: ruleId, ...(conditions ? { conditions } : {}) }
}
