import type { ServerName } from '../src/spec/event.ts'
import { type Label, labelOf } from '../src/spec/self-certifying.ts'

/** The names under which servers were met: a peer has one key and so one label, but may go by several names. */
export interface KnownNames {
  learn(name: ServerName): void
  /** Every name known for `label`, the label itself among them. */
  of(label: Label): readonly ServerName[]
}

const maxLabels = 10_000
const maxNamesOfLabel = 8

/** Remembers the names met most recently, within bounds. */
export function createKnownNames(): KnownNames {
  const names = new Map<Label, Set<ServerName>>()
  return {
    learn: (name) => {
      const label = labelOf(name)
      if (label === undefined) return
      const known = names.get(label) ?? new Set([label])
      if (known.size < maxNamesOfLabel) known.add(name)
      names.delete(label)
      names.set(label, known)
      const [oldest] = names.keys()
      if (names.size > maxLabels && oldest !== undefined) names.delete(oldest)
    },
    of: (label) => [...(names.get(label) ?? [label])],
  }
}
