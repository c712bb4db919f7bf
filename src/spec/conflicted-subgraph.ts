import type { GraphEvent, ResolutionEvents, Resolving } from './resolution-events.ts'

/**
 * The conflicted state subgraph (rooms/v12, "Definitions"): all events on paths of auth events from one event of `conflicted` to
 * another, both ends included. Walks back no further than to the oldest of `conflicted`.
 */
export function* conflictedSubgraph(conflicted: ReadonlySet<GraphEvent>, events: ResolutionEvents): Resolving<Set<GraphEvent>> {
  let oldest = Number.POSITIVE_INFINITY
  for (const { rank } of conflicted) oldest = Math.min(oldest, rank)
  const visited = new Set(conflicted)
  for (let level = new Set(conflicted); level.size > 0; ) {
    const citing = [...level].filter(({ rank }) => rank > oldest)
    yield* events.link(citing)
    level = new Set()
    for (const { cited } of citing) for (const event of cited) if (event.rank > oldest && !visited.has(event)) level.add(event)
    for (const event of level) visited.add(event)
  }
  const leading = new Set<GraphEvent>()
  for (const event of [...visited].sort((a, b) => a.rank - b.rank)) {
    if (conflicted.has(event) || event.cited.some((cited) => leading.has(cited))) leading.add(event)
  }
  return leading
}
