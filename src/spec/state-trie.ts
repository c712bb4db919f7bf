import type { EventId, StateKey, StateMap } from './event.ts'
import {
  type Branch,
  emptyLeaf,
  entriesOf,
  hashOf,
  type Leaf,
  leafCapacity,
  leafOf,
  type NodeHash,
  nibbleAt,
  nodeOf,
  pathOf,
  type StateEntry,
  type StateNode,
  storedForm,
  type TrieNode,
} from './state-trie-node.ts'

export type { Leaf, NodeHash, StateNode, TrieNode } from './state-trie-node.ts'

/** What two states hold under a key on which they differ; `undefined` where one holds nothing. */
export interface StateDifference {
  readonly key: StateKey
  readonly before: EventId | undefined
  readonly after: EventId | undefined
}

interface Change {
  readonly key: StateKey
  readonly eventId: EventId | undefined
  /** Worked out when a branch first needs it. */
  path: Uint8Array | undefined
}

/**
 * Room state as an immutable map that shares structure with the states it was made from. A hash trie, hash-consed: its shape
 * depends on its content alone, so equal states have equal `root`s; a change makes as many new nodes as the trie is deep.
 */
export class StateTrie implements StateMap {
  static readonly empty: StateTrie = new StateTrie(emptyLeaf)

  /** The root node. Each node is the same object in all states that share it: what is worked out from one can be kept by it. */
  readonly node: TrieNode

  /** Not to be called outside of this file: see {@link StateTrie.from}, {@link StateTrie.empty} and {@link loadTrie}. */
  constructor(node: TrieNode) {
    this.node = node
  }

  /** The state with these entries. */
  static from(entries: Iterable<readonly [StateKey, EventId]>): StateTrie {
    return StateTrie.empty.with(entries)
  }

  /** Where `a` and `b` differ, at a cost in proportion to the difference. */
  static diff(a: StateTrie, b: StateTrie): StateDifference[] {
    const found: StateDifference[] = []
    addDifferences(a.node, b.node, found)
    return found
  }

  /** Names this state by its content: equal states, equal roots. */
  get root(): NodeHash {
    return hashOf(this.node)
  }

  get size(): number {
    return this.node.size
  }

  get(key: StateKey): EventId | undefined {
    let node = this.node
    let path: Uint8Array | undefined
    for (let depth = 0; node.kind === 'branch'; depth++) {
      path ??= pathOf(key)
      node = node.children[nibbleAt(path, depth)] ?? emptyLeaf
    }
    return eventIn(node, key)
  }

  has(key: StateKey): boolean {
    return this.get(key) !== undefined
  }

  set(key: StateKey, eventId: EventId): StateTrie {
    return this.with([[key, eventId]])
  }

  delete(key: StateKey): StateTrie {
    return this.with([[key, undefined]])
  }

  /** This state with the last change to each key made to it; `undefined` takes the key out. Itself, if that changes nothing. */
  with(changes: Iterable<readonly [StateKey, EventId | undefined]>): StateTrie {
    const last = [...new Map(changes)].map(([key, eventId]): Change => ({ key, eventId, path: undefined }))
    const node = update(this.node, last, 0)
    return node === this.node ? this : new StateTrie(node)
  }

  /**
   * The nodes to store for this state. `isKnown` says which are stored already; a node stored implies that all below it are, so
   * nothing under a known node is visited. The empty state has none.
   */
  newNodes(isKnown: (hash: NodeHash) => boolean): Iterable<[NodeHash, StateNode]> {
    return unknownNodes(this.node, isKnown)
  }

  /** Entries in an order that the content alone decides. */
  entries(): Generator<[StateKey, EventId], undefined> {
    return pairs(this.node)
  }

  *keys(): Generator<StateKey, undefined> {
    for (const [key] of entriesOf(this.node)) yield key
  }

  *values(): Generator<EventId, undefined> {
    for (const [, eventId] of entriesOf(this.node)) yield eventId
  }

  [Symbol.iterator](): Generator<[StateKey, EventId], undefined> {
    return this.entries()
  }

  forEach(visit: (eventId: EventId, key: StateKey, state: StateMap) => void): void {
    for (const [key, eventId] of entriesOf(this.node)) visit(eventId, key, this)
  }
}

/**
 * The state whose root node is called `root`: yields the names of the nodes it lacks, level by level, and is handed those nodes.
 * Nodes that `similar`, a state at hand, has in the same place are shared with it and not asked for. Throws if a node is withheld.
 */
export function* loadTrie(
  root: NodeHash,
  similar: StateTrie = StateTrie.empty,
): Generator<readonly NodeHash[], StateTrie, ReadonlyMap<NodeHash, StateNode>> {
  const shared = new Map<NodeHash, TrieNode>([[hashOf(emptyLeaf), emptyLeaf]])
  const stored = new Map<NodeHash, StateNode>()
  let level = missing([[root, similar.node]], shared)
  while (level.length > 0) {
    const found = yield level.map(([hash]) => hash)
    for (const [hash] of level) stored.set(hash, present(found.get(hash), hash))
    level = level.flatMap(([hash, twin]) => missing(childrenWithTwins(stored.get(hash), twin), shared))
  }
  return new StateTrie(assemble(root, { shared, stored }))
}

function eventIn({ entries }: Leaf, key: StateKey): EventId | undefined {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >> 1
    const [candidate, eventId] = entries[middle] ?? []
    if (candidate === key) return eventId
    if (candidate !== undefined && candidate < key) low = middle + 1
    else high = middle
  }
  return undefined
}

function* pairs(node: TrieNode): Generator<[StateKey, EventId], undefined> {
  for (const [key, eventId] of entriesOf(node)) yield [key, eventId]
}

function update(node: TrieNode, changes: readonly Change[], depth: number): TrieNode {
  return node.kind === 'leaf' ? (updateLeaf(node, changes, depth) ?? node) : updateBranch(node, changes, depth)
}

/** The node of `entries` after `changes`, or `undefined` if they change nothing. */
function updateLeaf(leaf: Leaf, changes: readonly Change[], depth: number): TrieNode | undefined {
  const changed = changes.filter(({ key, eventId }) => eventIn(leaf, key) !== eventId)
  if (changed.length === 0) return undefined
  const keys = new Set(changed.map(({ key }) => key))
  const kept = leaf.entries.filter(([key]) => !keys.has(key))
  const added = changed.flatMap(({ key, eventId }): StateEntry[] => (eventId === undefined ? [] : [[key, eventId]]))
  if (kept.length + added.length <= leafCapacity) return leafOf([...kept, ...added])
  return build([...kept.map(([key, eventId]): Change => ({ key, eventId, path: undefined })), ...changed], depth)
}

function build(content: readonly Change[], depth: number): TrieNode {
  if (content.length > leafCapacity) {
    const groups = byNibble(content, depth)
    return nodeOf(Array.from({ length: 16 }, (_, nibble) => build(groups.get(nibble) ?? [], depth + 1)))
  }
  return leafOf(content.flatMap(({ key, eventId }) => (eventId === undefined ? [] : [[key, eventId] as const])))
}

function updateBranch(branch: Branch, changes: readonly Change[], depth: number): TrieNode {
  let children: TrieNode[] | undefined
  for (const [nibble, group] of byNibble(changes, depth)) {
    const child = branch.children[nibble] ?? emptyLeaf
    const updated = update(child, group, depth + 1)
    if (updated === child) continue
    children ??= [...branch.children]
    children[nibble] = updated
  }
  return children === undefined ? branch : nodeOf(children)
}

function byNibble(changes: readonly Change[], depth: number): Map<number, Change[]> {
  const groups = new Map<number, Change[]>()
  for (const change of changes) {
    change.path ??= pathOf(change.key)
    const nibble = nibbleAt(change.path, depth)
    const group = groups.get(nibble)
    if (group === undefined) groups.set(nibble, [change])
    else group.push(change)
  }
  return groups
}

function addDifferences(a: TrieNode, b: TrieNode, found: StateDifference[]): void {
  if (a === b || hashOf(a) === hashOf(b)) return
  if (a.kind === 'branch' && b.kind === 'branch') {
    for (let nibble = 0; nibble < 16; nibble++) addDifferences(a.children[nibble] ?? emptyLeaf, b.children[nibble] ?? emptyLeaf, found)
    return
  }
  if (a.kind === 'leaf' && b.kind === 'leaf') {
    addLeafDifferences(a.entries, b.entries, found)
    return
  }
  const after = new Map(entriesOf(b))
  for (const [key, before] of entriesOf(a)) {
    if (after.get(key) !== before) found.push({ key, before, after: after.get(key) })
    after.delete(key)
  }
  for (const [key, eventId] of after) found.push({ key, before: undefined, after: eventId })
}

/** Both are sorted by key. */
function addLeafDifferences(a: readonly StateEntry[], b: readonly StateEntry[], found: StateDifference[]): void {
  let other = 0
  for (const [key, before] of a) {
    for (let entry = b[other]; entry !== undefined && entry[0] < key; entry = b[++other]) {
      found.push({ key: entry[0], before: undefined, after: entry[1] })
    }
    const entry = b[other]
    const after = entry?.[0] === key ? entry[1] : undefined
    if (after !== undefined) other++
    if (after !== before) found.push({ key, before, after })
  }
  for (const [key, after] of b.slice(other)) found.push({ key, before: undefined, after })
}

function* unknownNodes(node: TrieNode, isKnown: (hash: NodeHash) => boolean): Generator<[NodeHash, StateNode], undefined> {
  if (node.size === 0 || isKnown(hashOf(node))) return
  if (node.kind === 'branch') for (const child of node.children) yield* unknownNodes(child, isKnown)
  yield [hashOf(node), storedForm(node)]
}

/** A node to load, and the node which the similar state has in its place. */
type Wanted = readonly [NodeHash, TrieNode]

/** Those of `wanted` that are not at hand; what their twins hold goes into `shared`. */
function missing(wanted: readonly Wanted[], shared: Map<NodeHash, TrieNode>): readonly Wanted[] {
  return wanted.filter(([hash, twin]) => {
    if (hashOf(twin) === hash) shared.set(hash, twin)
    return !shared.has(hash)
  })
}

function childrenWithTwins(node: StateNode | undefined, twin: TrieNode): readonly Wanted[] {
  if (node === undefined || 'entries' in node) return []
  return node.children.flatMap((hash, nibble): Wanted[] => {
    const child = twin.kind === 'branch' ? twin.children[nibble] : undefined
    return hash === null ? [] : [[hash, child ?? emptyLeaf]]
  })
}

function assemble(
  hash: NodeHash,
  nodes: { readonly shared: ReadonlyMap<NodeHash, TrieNode>; readonly stored: ReadonlyMap<NodeHash, StateNode> },
): TrieNode {
  const shared = nodes.shared.get(hash)
  if (shared !== undefined) return shared
  const node = present(nodes.stored.get(hash), hash)
  if ('entries' in node) return { kind: 'leaf', size: node.entries.length, entries: node.entries, hash }
  const children = node.children.map((child) => (child === null ? emptyLeaf : assemble(child, nodes)))
  return { kind: 'branch', size: children.reduce((sum, child) => sum + child.size, 0), children, hash }
}

function present(node: StateNode | undefined, hash: NodeHash): StateNode {
  if (node === undefined) throw new Error(`No state node ${hash} is stored`)
  return node
}
