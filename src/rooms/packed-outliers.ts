import { numberOf } from './packed-events.ts'
import type { DraftEvent, RoomDraft } from './room-draft.ts'

/** Outliers of one commit from which on they are packed. */
const fewestPacked = 100

/**
 * Those of a draft's events that are packed: the outliers, where a state brings many. Ids that servers choose (room versions 1
 * and 2) are looked up too often in vain, and could be chosen to have the same number.
 */
export function packedOf(draft: RoomDraft): DraftEvent[] {
  const { added } = draft
  if (added.length < fewestPacked || draft.rules.eventId === 'chosen') return []
  const outliers = added.filter(({ stateAfter }) => stateAfter === undefined)
  if (outliers.length < fewestPacked) return []
  return outliers
    .map((outlier) => ({ outlier, number: numberOf(outlier.event.eventId) }))
    .sort((a, b) => a.number - b.number)
    .map(({ outlier }) => outlier)
}
