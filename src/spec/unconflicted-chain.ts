import type { EventId } from './event.ts'
import type { GraphEvent, ResolutionEvents, ResolvableEvent, Resolving } from './resolution-events.ts'
import type { StateConflicts } from './state-conflicts.ts'
import type { Leaf, TrieNode } from './state-trie.ts'

/** So many leaves of the unconflicted state cover, as a rule, what old events cite; more are read if they do not. */
const firstSample = 6

/** What an event cites, and its own rank. */
interface Citations {
  readonly rank: number
  readonly authEvents: readonly EventId[]
}

/**
 * What the events of a leaf cite, in the order of its entries, and the greatest rank under a node. States share their nodes, so that
 * of a large room this is worked out once, and then where it changed.
 */
const citationsOfLeaves = new WeakMap<Leaf, readonly Citations[]>()
const highestRanks = new WeakMap<TrieNode, number>()

/** Takes out of `candidates` what lies in the auth chain of the unconflicted state, asking for no more of it than it takes. */
export function* dropReachedByUnconflicted(candidates: Set<GraphEvent>, states: StateConflicts, events: ResolutionEvents): Resolving<void> {
  if (candidates.size === 0) return
  const leaves: Leaf[] = []
  // What ranks no higher than a candidate does not cite it.
  collectLeaves(states.first.node, lowestRank(candidates), leaves)
  const visited = new Set<GraphEvent>()
  for (let [start, size] = [0, firstSample]; start < leaves.length && candidates.size > 0; start += size, size *= 4) {
    const sample = leaves.slice(start, start + size)
    yield* readLeaves(sample, events)
    const cited = citedByUnconflicted(sample, { states, events, above: lowestRank(candidates) })
    yield* events.need(cited)
    for (let level = events.all(cited); level.size > 0; ) {
      for (const event of level) {
        visited.add(event)
        candidates.delete(event)
      }
      const above = lowestRank(candidates)
      const citing = [...level].filter(({ rank }) => rank > above)
      yield* events.link(citing)
      level = new Set(citing.flatMap((event) => event.cited.filter((before) => !visited.has(before))))
    }
  }
}

/** Infinite where there is none. */
function lowestRank(candidates: ReadonlySet<ResolvableEvent>): number {
  let lowest = Number.POSITIVE_INFINITY
  for (const { rank } of candidates) lowest = Math.min(lowest, rank)
  return lowest
}

/** Adds the leaves under `node` to `leaves`, but for those known to rank not `above` so much. The greatest rank, if that is known. */
function collectLeaves(node: TrieNode, above: number, leaves: Leaf[]): number | undefined {
  const known = highestRanks.get(node)
  if (node.size === 0 || (known !== undefined && known <= above)) return known ?? 0
  if (node.kind === 'leaf') {
    leaves.push(node)
    return known
  }
  let highest: number | undefined = 0
  for (const child of node.children) {
    const ofChild = collectLeaves(child, above, leaves)
    highest = highest === undefined || ofChild === undefined ? undefined : Math.max(highest, ofChild)
  }
  if (highest !== undefined) highestRanks.set(node, highest)
  return highest
}

function* readLeaves(leaves: readonly Leaf[], events: ResolutionEvents): Resolving<void> {
  const unread = leaves.filter((leaf) => !citationsOfLeaves.has(leaf))
  yield* events.need(unread.flatMap(({ entries }) => entries.map(([, eventId]) => eventId)))
}

/** What is cited by those events of the leaves that all states hold and that rank `above` so much; what is not found cites nothing. */
function citedByUnconflicted(
  leaves: readonly Leaf[],
  { states, events, above }: { readonly states: StateConflicts; readonly events: ResolutionEvents; readonly above: number },
): Set<EventId> {
  const cited = new Set<EventId>()
  for (const leaf of leaves) {
    for (const [index, citations] of citationsOfLeaf(leaf, events).entries()) {
      const key = leaf.entries[index]?.[0]
      if (citations === undefined || citations.rank <= above || key === undefined || states.conflicts.has(key)) continue
      for (const eventId of citations.authEvents) cited.add(eventId)
    }
  }
  return cited
}

function citationsOfLeaf(leaf: Leaf, events: ResolutionEvents): readonly (Citations | undefined)[] {
  const read = citationsOfLeaves.get(leaf)
  if (read !== undefined) return read
  const citations = leaf.entries.map(([, eventId]) => citationsOf(events.get(eventId)))
  const found = citations.filter((each) => each !== undefined)
  if (found.length === citations.length) {
    citationsOfLeaves.set(leaf, found)
    highestRanks.set(leaf, Math.max(...found.map(({ rank }) => rank)))
  }
  return citations
}

function citationsOf(found: GraphEvent | undefined): Citations | undefined {
  return found && { rank: found.rank, authEvents: found.event.authEvents }
}
