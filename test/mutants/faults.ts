import type { Fault, Killer } from './fault.ts'

const unit = (file: string, test: string): Killer => ({ file: `test/unit/${file}.test.ts`, test })
const seed = (number: number): Killer => ({
  file: `test/simulation/${number % 2 === 1 ? 'odd' : 'even'}-seeds.test.ts`,
  test: `(seed ${number})`,
})

/** Takes every event for one that is well signed. */
const believingAll = '{ verify: async (events) => events.map(() => undefined) }'

/** What must never go unnoticed: each of these, planted, has to make a test fail. */
export const faults: readonly Fault[] = [
  {
    name: 'soft-fail skipped',
    file: 'src/rooms/room-draft.ts',
    text: "return now.allowed ? { status: 'accepted' } : { status: 'soft-failed', reason: now.reason }",
    becomes: "return now.allowed ? { status: 'accepted' } : { status: 'accepted', reason: now.reason }",
    killers: [unit('rooms-soft-failure', 'is not shown, and nothing is built upon it')],
  },
  {
    name: 'soft-failed event made an extremity',
    file: 'src/rooms/room-draft.ts',
    text: 'if (isNew) await this.#moveForward(',
    becomes: "if (live && status !== 'rejected') await this.#moveForward(",
    killers: [unit('rooms-soft-failure', 'is not shown, and nothing is built upon it')],
  },
  {
    name: 'ends of a room left behind soft-failed events',
    file: 'src/rooms/graph-ends.ts',
    text: "rejected || status === 'soft-failed')",
    becomes: 'rejected)',
    killers: [unit('rooms-soft-failure', 'no end of the room is left behind it')],
  },
  {
    name: 'ties sorted the other way',
    file: 'src/spec/power-ordering.ts',
    text: 'return a.eventId < b.eventId ? -1 : a.eventId > b.eventId ? 1 : 0',
    becomes: 'return a.eventId < b.eventId ? 1 : a.eventId > b.eventId ? -1 : 0',
    killers: [unit('spec-state-resolution', '')],
  },
  {
    name: 'mainline order reversed',
    file: 'src/spec/mainline-ordering.ts',
    text: 'a.position > b.position ? -1 : 1',
    becomes: 'a.position > b.position ? 1 : -1',
    killers: [unit('spec-state-resolution', '')],
  },
  {
    name: 'unconflicted overlay skipped',
    file: 'src/spec/state-conflicts.ts',
    text: 'if (!this.conflicts.has(key) && !this.first.has(key)) changes.set(key, eventId)',
    becomes: 'if (!this.conflicts.has(key)) changes.set(key, eventId)',
    killers: [unit('spec-state-resolution-properties', 'keeps what all states hold')],
  },
  {
    name: 'rejected auth event accepted',
    file: 'src/spec/auth-rules-auth-events.ts',
    text: 'if (rejected) return',
    becomes: 'if (rejected && seen.size > 100) return',
    killers: [unit('spec-auth-events', 'rejects a rejected event')],
  },
  {
    name: 'auth events from another room accepted',
    file: 'src/spec/auth-rules-auth-events.ts',
    text: 'if (cited.roomId !== event.roomId) return',
    becomes: 'if (cited.roomId === undefined) return',
    killers: [unit('spec-auth-events', 'rejects an event of another room')],
  },
  {
    name: 'rejected auth event of an event that comes accepted',
    file: 'src/rooms/import.ts',
    text: 'checkAuthEvents(draft.rules, event, cited, create)',
    becomes: 'checkAuthEvents(draft.rules, event, cited.map((each) => ({ ...each, rejected: false })), create)',
    killers: [unit('rogue-paths', 'with an auth event that was rejected')],
  },
  {
    name: 'auth events from another room accepted of an event that comes',
    file: 'src/rooms/import.ts',
    text: 'const cited = event.authEvents.flatMap((eventId) => found.get(eventId) ?? [])',
    becomes:
      'const { roomId } = event\n  const cited = event.authEvents.flatMap((id) => found.get(id) ?? []).map((each) => ({ ...each, event: { ...each.event, roomId } }))',
    killers: [unit('rogue-paths', 'with an auth event of another room')],
  },
  {
    name: 'commit split in two',
    file: 'src/streams/stream.ts',
    text: "await this.#storage.commit(writes, options.durability ?? 'strict')",
    becomes:
      "await this.#storage.commit(writes.slice(0, 1), options.durability ?? 'strict')\n      await this.#storage.commit(writes.slice(1), options.durability ?? 'strict')",
    killers: [unit('rooms-durability', 'are one commit')],
  },
  {
    name: 'acknowledged before committed',
    file: 'src/rooms/room-queue.ts',
    text: '      await this.#committer.commit(draft)\n      for (const done of outcomes) done()',
    becomes: '      for (const done of outcomes) done()\n      await this.#committer.commit(draft)',
    killers: [unit('rooms-durability', 'is acknowledged only once it is durable')],
  },
  {
    name: 'shown before committed',
    file: 'src/streams/stream.ts',
    text: "await this.#storage.commit(writes, options.durability ?? 'strict')\n      options.published?.(first)",
    becomes: "options.published?.(first)\n      await this.#storage.commit(writes, options.durability ?? 'strict')",
    killers: [unit('rooms-durability', 'is acknowledged only once it is durable')],
  },
  {
    name: 'transaction of another server answered before it is staged',
    file: 'src/rooms/receive.ts',
    text: 'const first = await this.#deps.stream.commit(1, (position) => events.map((event, i) => put(stagedPdus, [position, i], rowOf(event))))',
    becomes:
      'const first = this.#deps.stream.current + 1\n    void this.#deps.stream.commit(1, (position) => events.map((event, i) => put(stagedPdus, [position, i], rowOf(event))))',
    killers: [unit('rooms-durability', 'is answered only once it is durable')],
  },
  {
    name: 'cursor advanced before the 200',
    file: 'src/federation/destination-queue.ts',
    text: '      await this.#deliver(transaction)\n',
    becomes:
      "      this.#position = transaction.range.upTo\n      await storage.commit([this.#row(undefined)], 'strict')\n      await this.#deliver(transaction)\n",
    killers: [unit('federation-sender', 'at any commit loses no event and keeps the order')],
  },
  {
    name: 'position reused after a crash',
    file: 'src/streams/stream.ts',
    text: "put(meta, 'position', mark)",
    becomes: "put(meta, 'position', this.#next - 1)",
    killers: [unit('rooms-durability', 'no position is given twice'), seed(1)],
  },
  {
    name: 'epoch check removed',
    file: 'worker/indexeddb-storage.ts',
    text: 'if (request.result === this.epoch) return',
    becomes: 'if (request.result !== undefined) return',
    killers: [{ file: 'test/contract/storage.test.ts', test: 'writes nothing once a newer leader has opened it' }],
  },
  {
    name: 'history visibility taken after the event',
    file: 'src/sync/viewpoint.ts',
    text: 'const eventId = await this.#store.entryBefore(record, key)',
    becomes: 'const eventId = (await this.#store.stateAfter(record)).get(key)',
    killers: [unit('sync-visibility', '')],
  },
  {
    name: 'history visibility taken from the room as it is now',
    file: 'src/sync/viewpoint.ts',
    text: 'const eventId = await this.#store.entryBefore(record, key)',
    becomes: 'const eventId = (await this.#store.room(this.roomId))?.state.get(key)',
    killers: [unit('sync-visibility', '')],
  },
  {
    name: 'history visible to another server taken from the room as it is now',
    file: 'src/federation/server-view.ts',
    text: 'const state = await store.stateBefore(record)',
    becomes: 'const state = room.state',
    killers: [unit('server-visibility', 'reads what its user could at each event')],
  },
  {
    name: 'redaction not applied to the hash',
    file: 'src/spec/event-hash.ts',
    text: 'sha256(canonicalBytesWithout(redact(pdu, rules), outsideReferenceHash))',
    becomes: 'sha256(canonicalBytesWithout(pdu, outsideReferenceHash))',
    killers: [unit('spec-event-hash', 'does not change with redactable content')],
  },
  ...unsignedBy({
    'a transaction': ['src/rooms/receive.ts', 'receivePdus(ofRoom, room, this.#deps.verifier)', forged('in a transaction')],
    'a join through us': ['src/rooms/receive.ts', 'receivePdus([signed], room, verifier)', forged('as a join through us')],
    'what waited for its keys': [
      'src/rooms/receive.ts',
      'receivePdus(pdus, room, this.#deps.verifier)',
      unit('rooms-unverified', 'is dropped once they show that it is forged'),
    ],
    'an answer to get_missing_events': [
      'src/rooms/gap-filler.ts',
      'pdus?.slice(0, gapLimits.eventsInAnswer) ?? [], gap, verifier)',
      forged('as what came before'),
    ],
    'single events': ['src/rooms/gap-filler.ts', 'receivePdus(given, gap, verifier)', forged('as an auth event')],
    'a told state': ['src/rooms/gap-filler.ts', '[...whole.state, ...whole.authChain], gap, verifier)', forged('as part of a state')],
    'back-fill': ['src/rooms/backfill.ts', 'pdus.slice(0, wanted.limit), gap, verifier)', forged('in back-fill')],
    'the state of a room that we join': [
      'src/rooms/told-events.ts',
      'room,\n        verifier,\n      )',
      unit('rogue-paths', 'takes nothing of its state with a forged signature'),
    ],
    'a join that another server lets in': [
      'src/rooms/remote-join.ts',
      '{ roomId: sent.roomId, rules: by.rules }, by.verifier)',
      unit('restricted-joins', 'joins through a server that can'),
    ],
    'an invitation': [
      'src/rooms/received-invites.ts',
      '{ roomId: invite.roomId, rules }, this.#deps.verifier)',
      unit('rogue-invites', 'not one with a forged signature'),
    ],
    'the end of an invitation': ['src/rooms/withdrawals.ts', '{ roomId, rules }, verifier)', unit('rogue-invites', 'ends when the server')],
  }),
]

function forged(test: string): Killer {
  return unit('rooms-forged-events', test)
}

/** The signature check skipped on each of the ways by which events come: file, text, and the test of the way. */
function unsignedBy(ways: Readonly<Record<string, readonly [file: string, text: string, killer: Killer]>>): Fault[] {
  return Object.entries(ways).map(([way, [file, text, killer]]) => ({
    name: `signature check skipped for ${way}`,
    file,
    text,
    becomes: text.replace(/(this\.#deps\.|by\.)?verifier(,\s*)?\)$/, `${believingAll})`),
    killers: [killer],
  }))
}
