import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type EventId, type StateKey, stateKeyOf } from '../../src/spec/event.ts'
import { loadTrie, type NodeHash, type StateNode, StateTrie, type TrieNode } from '../../src/spec/state-trie.ts'
import { hashOf } from '../../src/spec/state-trie-node.ts'

const member = (index: number): StateKey => stateKeyOf('m.room.member', `@user${index}:example.org`)

function members(count: number): [StateKey, EventId][] {
  return Array.from({ length: count }, (_, index) => [member(index), `$event${index}`])
}

/** Stores the new nodes of `trie` and returns them. */
function store(trie: StateTrie, stored: Map<NodeHash, StateNode>): [NodeHash, StateNode][] {
  const nodes = [...trie.newNodes((hash) => stored.has(hash))]
  for (const [hash, node] of nodes) stored.set(hash, JSON.parse(JSON.stringify(node)))
  return nodes
}

/** Loads `root` from `stored`; also says how many nodes were asked for, and that none was asked for twice. */
function load(root: NodeHash, stored: ReadonlyMap<NodeHash, StateNode>, similar?: StateTrie): { trie: StateTrie; asked: number } {
  const loader = loadTrie(root, similar)
  const asked: NodeHash[] = []
  let step = loader.next()
  while (!step.done) {
    asked.push(...step.value)
    const found = step.value.flatMap((hash): [NodeHash, StateNode][] => {
      const node = stored.get(hash)
      return node === undefined ? [] : [[hash, node]]
    })
    step = loader.next(new Map(found))
  }
  expect(new Set(asked).size).toBe(asked.length)
  return { trie: step.value, asked: asked.length }
}

/** `node`, which notes in `seen` each node under it that somebody looks at. */
function watched(node: TrieNode, seen: Set<TrieNode>): TrieNode {
  const name = hashOf(node)
  const at = {
    get hash() {
      seen.add(node)
      return name
    },
    set hash(_: NodeHash | undefined) {
      throw new Error('its hash is known')
    },
    size: node.size,
  }
  if (node.kind === 'leaf') return Object.assign(at, { kind: node.kind, entries: node.entries })
  return Object.assign(at, { kind: node.kind, children: node.children.map((child) => watched(child, seen)) })
}

const keys = fc.oneof(
  fc.nat(60).map(member),
  fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })).map(([a, b]) => stateKeyOf(a, b)),
)
const contents = fc.array(
  fc.tuple(
    keys,
    fc.nat(3).map((n) => `$${n}`),
  ),
  { maxLength: 120 },
)
const changes = fc.array(
  fc.tuple(
    keys,
    fc.option(
      fc.nat(3).map((n) => `$${n}`),
      { nil: undefined },
    ),
  ),
  { maxLength: 120 },
)

describe('StateTrie', () => {
  test('holds what a Map with the same changes holds', () => {
    fc.assert(
      fc.property(contents, changes, (start, edits) => {
        const model = new Map(start)
        let trie = StateTrie.from(start)
        for (const [key, eventId] of edits) {
          trie = eventId === undefined ? trie.delete(key) : trie.set(key, eventId)
          if (eventId === undefined) model.delete(key)
          else model.set(key, eventId)
        }
        expect(trie.size).toBe(model.size)
        expect(new Map(trie)).toEqual(model)
        expect(new Map([...trie.keys()].map((key) => [key, trie.get(key)]))).toEqual(model)
        expect([...trie.values()].sort()).toEqual([...model.values()].sort())
        for (const [key] of edits) expect(trie.has(key)).toBe(model.has(key))
      }),
    )
  })

  test('equal contents have equal roots and iterate alike, whatever the history; different contents differ', () => {
    fc.assert(
      fc.property(contents, changes, (start, edits) => {
        const oneByOne = edits.reduce((trie, change) => trie.with([change]), StateTrie.from(start))
        const atOnce = StateTrie.from(start).with(edits)
        const fresh = StateTrie.from([...new Map(atOnce)].reverse())
        expect(oneByOne.root).toBe(fresh.root)
        expect(atOnce.root).toBe(fresh.root)
        expect([...oneByOne]).toEqual([...fresh])
        const equal = JSON.stringify([...new Map(start)].sort()) === JSON.stringify([...fresh].sort())
        expect(StateTrie.from(start).root === fresh.root).toBe(equal)
      }),
    )
  })

  test('a change that changes nothing returns the very same state', () => {
    const trie = StateTrie.from(members(100))
    expect(trie.set(member(7), '$event7')).toBe(trie)
    expect(trie.delete(member(100))).toBe(trie)
    expect(trie.set(member(7), '$other').set(member(7), '$event7').root).toBe(trie.root)
  })

  test('keys that differ in a lone surrogate alone are told apart, however many there are', () => {
    const lone = Array.from({ length: 64 }, (_, index): [StateKey, EventId] => [
      stateKeyOf('m.room.name', String.fromCharCode(0xd800 + index)),
      `$${index}`,
    ])
    const trie = StateTrie.from(lone)
    expect(trie.size).toBe(64)
    for (const [key, eventId] of lone) expect(trie.get(key)).toBe(eventId)
  })

  test('diff yields exactly the differing keys', () => {
    fc.assert(
      fc.property(contents, changes, (start, edits) => {
        const before = StateTrie.from(start)
        const after = before.with(edits)
        const expected = [...new Set([...before.keys(), ...after.keys()])]
          .map((key) => ({ key, before: before.get(key), after: after.get(key) }))
          .filter((difference) => difference.before !== difference.after)
        const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1)
        expect([...StateTrie.diff(before, after)].sort(byKey)).toEqual(expected.sort(byKey))
      }),
    )
  })

  test('diff looks at so many nodes as differ, not at so many as the states have', () => {
    const large = members(50_000)
    const looksFor = (changed: number): number => {
      const seen = new Set<TrieNode>()
      const before = new StateTrie(watched(StateTrie.from(large).node, seen))
      const after = new StateTrie(watched(StateTrie.from(large.map(([key, id], i) => [key, i < changed ? '$new' : id])).node, seen))
      expect([before.root === after.root, seen.size]).toEqual([changed === 0, 2])
      expect(StateTrie.diff(before, after)).toHaveLength(changed)
      return seen.size
    }
    expect(looksFor(0)).toBe(2)
    // On the way to a leaf, the sixteen children of each of two branches or three, in both states.
    const [one, ten, hundred] = [looksFor(1), looksFor(10), looksFor(100)]
    expect(one).toBeLessThanOrEqual(2 * (1 + 3 * 16))
    expect(ten).toBeLessThanOrEqual(10 * one)
    expect(hundred).toBeLessThanOrEqual(100 * one)
  })

  test('a state stored in pieces loads again, each node asked for once', () => {
    fc.assert(
      fc.property(contents, changes, (start, edits) => {
        const stored = new Map<NodeHash, StateNode>()
        const [before, after] = [StateTrie.from(start), StateTrie.from(start).with(edits)]
        store(before, stored)
        store(after, stored)
        for (const trie of [before, after]) {
          const loaded = load(trie.root, stored).trie
          expect(loaded.root).toBe(trie.root)
          expect([...loaded]).toEqual([...trie])
          expect(loaded.with(edits).root).toBe(trie.with(edits).root)
        }
      }),
    )
  })

  test('loading beside a similar state asks only for what differs', () => {
    const stored = new Map<NodeHash, StateNode>()
    const before = StateTrie.from(members(5000))
    const after = before.set(member(17), '$new')
    store(before, stored)
    store(after, stored)
    const loaded = load(after.root, stored, before)
    expect([...loaded.trie]).toEqual([...after])
    expect(loaded.asked).toBeLessThanOrEqual(5)
    expect(load(before.root, stored, before).asked).toBe(0)
  })

  test('loading throws when a node is lost', () => {
    const stored = new Map<NodeHash, StateNode>()
    const trie = StateTrie.from(members(100))
    const [first] = store(trie, stored)
    if (first !== undefined) stored.delete(first[0])
    expect(() => load(trie.root, stored)).toThrow(/No state node/)
  })

  test('the empty state needs no nodes', () => {
    expect([...StateTrie.empty.newNodes(() => false)]).toEqual([])
    expect(load(StateTrie.empty.root, new Map()).trie.size).toBe(0)
    expect(StateTrie.from(members(40)).with(members(40).map(([key]) => [key, undefined])).root).toBe(StateTrie.empty.root)
  })

  test('one change in a state of 50,000 entries writes a handful of small nodes', () => {
    const stored = new Map<NodeHash, StateNode>()
    const trie = StateTrie.from(members(50_000))
    store(trie, stored)
    for (const change of [trie.set(member(4711), '$new'), trie.set(member(50_000), '$joined'), trie.delete(member(3))]) {
      const nodes = [...change.newNodes((hash) => stored.has(hash))]
      expect(nodes.length).toBeLessThanOrEqual(6)
      expect(JSON.stringify(nodes).length).toBeLessThan(8_000)
      expect([...StateTrie.diff(trie, change)]).toHaveLength(1)
    }
  })
})
