import { describe, expect, test } from 'vitest'
import { isObject, type JsonValue } from '../../src/spec/json.ts'
import { type ClientApi, encode, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'

const room = (roomId: string) => `/v3/rooms/${encode(roomId)}`

async function setVisibility(api: ClientApi, roomId: string, visibility: string): Promise<void> {
  await api.put(alice, `${room(roomId)}/state/m.room.history_visibility/`, { history_visibility: visibility })
}

/** What a user is shown of a room's history, oldest first: bodies of messages, settings of visibility, own memberships. */
async function shownTo(api: ClientApi, userId: string, roomId: string): Promise<JsonValue[]> {
  const { chunk } = await api.get(userId, `${room(roomId)}/messages?dir=b&limit=100`)
  const events = Array.isArray(chunk) ? chunk.filter(isObject).reverse() : []
  return events.flatMap(({ content, state_key: stateKey }) => {
    if (!isObject(content)) return []
    const { body, history_visibility: visibility, membership } = content
    return body ?? visibility ?? (stateKey === userId && membership !== undefined ? membership : [])
  })
}

describe('what a user may see of a room is decided for each event by the state before it', () => {
  test('not by what was made of the room since', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await setVisibility(api, roomId, 'joined')
    await api.send(alice, roomId, 'among ourselves')
    await api.join(bob, roomId)
    await setVisibility(api, roomId, 'shared')
    await api.send(alice, roomId, 'for all')
    expect(await shownTo(api, bob, roomId)).not.toContain('among ourselves')
    expect(await shownTo(api, bob, roomId)).toContain('for all')
    await setVisibility(api, roomId, 'joined')
    expect(await shownTo(api, bob, roomId)).toContain('for all')
  })

  test('nor by the event itself: who may see a room sees it closed, and who leaves sees that', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await setVisibility(api, roomId, 'joined')
    await api.join(bob, roomId)
    await api.post(bob, `${room(roomId)}/leave`)
    await api.send(alice, roomId, 'without bob')
    expect((await shownTo(api, bob, roomId)).slice(-2)).toEqual(['join', 'leave'])
    await api.join(bob, roomId)
    const shown = await shownTo(api, bob, roomId)
    expect(shown).toContain('leave')
    expect(shown).toContain('joined')
    expect(shown).not.toContain('without bob')
  })
})
