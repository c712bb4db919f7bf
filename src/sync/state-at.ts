import type { RoomId } from '../spec/event.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { Position } from '../streams/stream.ts'
import type { RoomView, RoomViews } from './room-views.ts'
import type { PageToken, Tokens } from './token.ts'

const chunkSize = 500
/** Pages of events that are read to find a place in the history. */
const chunkLimit = 20

/** A room's state at the place of a token, as `at` of `GET /members` asks for it. */
export async function stateAt(
  view: RoomView,
  token: PageToken,
  deps: { readonly views: RoomViews; readonly tokens: Tokens },
): Promise<StateTrie> {
  if ('position' in token) return stateAtPosition(view, token.position, deps)
  const { store } = deps.views
  const [before] = await store.timeline(view.room.roomId, { direction: 'backwards', from: token.point, limit: 1 })
  return before ? store.stateAfter(before) : StateTrie.empty
}

/** What the room's state was before the first event that came after; tokens are recent, so that is soon found. */
async function stateAtPosition(
  view: RoomView,
  position: Position,
  deps: { readonly views: RoomViews; readonly tokens: Tokens },
): Promise<StateTrie> {
  const { store } = deps.views
  const first = await firstAfter(view.room.roomId, position, deps)
  const root = first && (first.stored.roomBefore ?? first.stored.stateBefore)
  return root === undefined ? view.room.state : store.state(root)
}

async function firstAfter(roomId: RoomId, position: Position, { views, tokens }: { readonly views: RoomViews; readonly tokens: Tokens }) {
  for (let after = position, read = 0; read < chunkLimit; read++) {
    const chunk = await views.store.log(after, tokens.newest, chunkSize)
    const found = chunk.find(({ event, stored }) => event.roomId === roomId && stored.live && stored.status === 'accepted')
    const last = chunk.at(-1)
    if (found || !last || chunk.length < chunkSize) return found
    after = last.position
  }
  return undefined
}
