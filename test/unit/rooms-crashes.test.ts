import { expect, test } from 'vitest'
import { within } from './federation-party.ts'
import { type Home, homeWorld, RogueServer } from './rogue-server.ts'

/** A room of home's, and what another server in it says upon events that home was not sent. */
async function arrivalUponGap() {
  const home = await homeWorld()
  const roomId = await home.room()
  const other = new RogueServer(home, 'other.example')
  await other.join(roomId)
  await other.say('hidden')
  const content = { membership: 'join', displayname: 'renamed' }
  await other.make({ type: 'm.room.member', stateKey: other.userId, content })
  const sent = [await other.say('first'), await other.say('second')]
  other.honest()
  return { home, roomId, other, sent }
}

function restart({ server, ...at }: Home): Promise<void> {
  return within(at, 60_000, server.start())
}

test('what another server sends is taken whole, and once, at whichever commit the power is lost', async () => {
  const outcomes = { unanswered: 0, answered: 0 }
  for (let commit = 1; ; commit++) {
    const { home, roomId, other, sent } = await arrivalUponGap()
    home.server.disk.crashAfter(commit)
    const isAnswered = await other.send(...sent).then(
      () => true,
      () => false,
    )
    await home.settle().catch(() => undefined)
    const hasCrashed = !home.server.running
    if (hasCrashed) {
      outcomes[isAnswered ? 'answered' : 'unanswered']++
      await restart(home)
      // What was answered is not sent again.
      if (!isAnswered) await other.send(...sent)
      await home.settle()
    }
    home.server.disk.crashAfter(Number.POSITIVE_INFINITY)
    expect([commit, await home.history(roomId)]).toEqual([commit, ['second', 'first', 'hidden']])
    const member = await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${other.userId}`)
    expect(member.displayname).toBe('renamed')
    expect(home.server.disk.reusedPositions).toEqual([])
    if (!hasCrashed) break
  }
  expect(outcomes.unanswered).toBeGreaterThan(0)
  expect(outcomes.answered).toBeGreaterThan(0)
})
