import { authEventKeys } from '../../src/spec/auth-events.ts'
import type { Pdu } from '../../src/spec/event.ts'
import { roomIdOfCreate } from '../../src/spec/event-hash.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import type { Asked, RogueServer } from './rogue-server.ts'

/** A room that a rogue made, of which it is the one server; others join, knock and leave through it. */
export async function foundRoom(rogue: RogueServer, options: { joinRule?: string; create?: JsonObject } = {}): Promise<string> {
  const { rules, userId } = rogue
  rogue.roomId = `!made:${rogue.name}`
  rogue.state.clear()
  const state = (type: string, content: JsonObject, stateKey = '') => rogue.make({ type, stateKey, content })
  const content = { room_version: rules.version, ...(rules.auth.creatorInContent ? { creator: userId } : {}), ...options.create }
  const create = await rogue.make({ type: 'm.room.create', stateKey: '', content, prevEvents: [], authEvents: [], depth: 1 })
  rogue.roomId = roomIdOfCreate(create, rules) ?? ''
  await state('m.room.member', { membership: 'join' }, userId)
  await state('m.room.power_levels', rules.auth.privilegedCreators ? {} : { users: { [userId]: 100 } })
  await state('m.room.join_rules', { join_rule: options.joinRule ?? 'public' })
  await state('m.room.history_visibility', { history_visibility: 'shared' })
  await state('m.room.name', { name: 'made by a rogue' })
  rogue.script = (asked) => hosted(rogue, asked)
  return rogue.roomId
}

/** What an honest resident answers to who comes or goes through it. */
export function hosted(rogue: RogueServer, { path, body }: Asked): JsonObject | undefined {
  const make = /\/make_(join|knock|leave)\/[^/]+\/([^/]+)$/.exec(path)
  if (make) return { room_version: rogue.rules.version, event: templateOf(rogue, decodeURIComponent(make[2] ?? ''), String(make[1])) }
  const state = stateOf(rogue)
  if (/\/send_(join|knock|leave)\//.test(path)) rogue.know(body)
  if (path.includes('/send_join/')) return { state, auth_chain: state }
  if (path.includes('/send_knock/')) return { knock_room_state: state }
  return path.includes('/send_leave/') ? {} : undefined
}

export function stateOf(rogue: RogueServer): Pdu[] {
  return [...rogue.state.values()].map((eventId) => rogue.events.get(eventId)).filter((pdu) => pdu !== undefined)
}

function templateOf(rogue: RogueServer, userId: string, membership: string): JsonObject {
  const event = { type: 'm.room.member', stateKey: userId, sender: userId, content: { membership } }
  const authEvents = authEventKeys(rogue.rules, event).flatMap((key) => rogue.state.get(key) ?? [])
  return {
    type: 'm.room.member',
    room_id: rogue.roomId,
    sender: userId,
    state_key: userId,
    content: { membership },
    depth: rogue.depth + 1,
    prev_events: rogue.referencesTo([rogue.head]),
    auth_events: rogue.referencesTo(authEvents),
  }
}
