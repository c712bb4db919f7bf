import { describe, expect, test } from 'vitest'
import { type HistoryVisibility, historyVisibilityOf, mayServerSee, mayUserSee } from '../../src/spec/history-visibility.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { draftEvent } from './spec-event.ts'

const message = draftEvent({ type: 'm.room.message' })
const viewer = (membership: string | undefined, joinedAfter = false) => ({ userId: '@bob:hs1', membership, joinedAfter })
const change = (history_visibility: string) =>
  draftEvent({ type: 'm.room.history_visibility', stateKey: '', content: { history_visibility } })
const ownMembership = (membership: string) => draftEvent({ type: 'm.room.member', stateKey: '@bob:hs1', content: { membership } })

describe('a user may see a message', () => {
  /** Visibility, membership at the message, and who sees it: at once, and once the user joined later. */
  const table: [HistoryVisibility, string | undefined, boolean, boolean][] = [
    ['world_readable', undefined, true, true],
    ['world_readable', 'ban', true, true],
    ['shared', 'join', true, true],
    ['shared', 'invite', false, true],
    ['shared', 'leave', false, true],
    ['shared', undefined, false, true],
    ['invited', 'join', true, true],
    ['invited', 'invite', true, true],
    ['invited', 'leave', false, false],
    ['invited', undefined, false, false],
    ['joined', 'join', true, true],
    ['joined', 'invite', false, false],
    ['joined', 'knock', false, false],
    ['joined', undefined, false, false],
  ]
  test.each(table)('of visibility %s as %s: %s; having joined later: %s', (visibility, membership, now, later) => {
    expect(mayUserSee(message, visibility, viewer(membership))).toBe(now)
    expect(mayUserSee(message, visibility, viewer(membership, true))).toBe(later)
  })
})

describe('a change', () => {
  test('of the visibility shows to whom the visibility before or after it would show it', () => {
    expect(mayUserSee(change('joined'), 'world_readable', viewer(undefined))).toBe(true)
    expect(mayUserSee(change('world_readable'), 'joined', viewer(undefined))).toBe(true)
    expect(mayUserSee(change('invited'), 'joined', viewer('invite'))).toBe(true)
    expect(mayUserSee(change('joined'), 'joined', viewer('invite'))).toBe(false)
    expect(mayUserSee({ ...change('world_readable'), stateKey: 'x' }, 'joined', viewer(undefined))).toBe(false)
  })

  test("of the user's own membership shows to whom the membership before or after it would show it", () => {
    expect(mayUserSee(ownMembership('join'), 'joined', viewer(undefined))).toBe(true)
    expect(mayUserSee(ownMembership('leave'), 'joined', viewer('join'))).toBe(true)
    expect(mayUserSee(ownMembership('invite'), 'invited', viewer(undefined))).toBe(true)
    expect(mayUserSee(ownMembership('invite'), 'joined', viewer(undefined))).toBe(false)
    expect(mayUserSee({ ...ownMembership('join'), stateKey: '@carol:hs1' }, 'joined', viewer(undefined))).toBe(false)
  })
})

test('a server may see what one of its users may see, or the world', () => {
  expect(mayServerSee(message, 'joined', [viewer('leave'), viewer('join')])).toBe(true)
  expect(mayServerSee(message, 'joined', [viewer('leave'), viewer('invite')])).toBe(false)
  expect(mayServerSee(message, 'shared', [])).toBe(false)
  expect(mayServerSee(message, 'world_readable', [])).toBe(true)
  expect(mayServerSee(change('world_readable'), 'joined', [])).toBe(true)
})

test('a visibility that is missing or not understood is shared', () => {
  const contents: (JsonObject | undefined)[] = [undefined, {}, { history_visibility: 'x' }, { history_visibility: 5 }]
  for (const content of contents) expect(historyVisibilityOf(content)).toBe('shared')
  for (const history_visibility of ['world_readable', 'shared', 'invited', 'joined']) {
    expect(historyVisibilityOf({ history_visibility })).toBe(history_visibility)
  }
})
