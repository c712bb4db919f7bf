import type { RoomEvent, RoomId } from '../spec/event.ts'
import { eventTest, type Filter, type Filtered, limitOf, roomTest } from './event-filter.ts'

/** A filter of `/sync` made ready. */
export interface SyncFilter {
  readonly room: (roomId: RoomId) => boolean
  readonly includeLeave: boolean
  readonly timeline: (event: RoomEvent) => boolean
  readonly timelineLimit: number
  readonly state: (event: RoomEvent) => boolean
  readonly ephemeral: (event: Filtered) => boolean
  readonly roomAccountData: (event: Filtered) => boolean
  readonly accountData: (event: Filtered) => boolean
  readonly presence: (event: Filtered) => boolean
  /** Fields of profiles that are told (MSC4429). */
  readonly profileFields: readonly string[]
  readonly lazyMembers: boolean
  readonly redundantMembers: boolean
  readonly countsByThread: boolean
  readonly format: 'client' | 'federation'
}

/** Events of a room's timeline in an answer to `/sync`. */
const timelineLimits = { fallback: 10, most: 500 }

/** Compiles a filter; without one everything passes. */
export function compileSyncFilter({ room = {}, presence, account_data: accountData, event_format: format, ...drafts }: Filter): SyncFilter {
  const { timeline, state, ephemeral, account_data: roomAccountData } = room
  return {
    room: roomTest(room),
    includeLeave: room.include_leave ?? false,
    timeline: eventTest(timeline),
    timelineLimit: limitOf(timeline, timelineLimits),
    state: eventTest(state),
    ephemeral: eventTest(ephemeral),
    roomAccountData: eventTest(roomAccountData),
    accountData: eventTest(accountData),
    presence: eventTest(presence),
    profileFields: [...new Set(drafts['org.matrix.msc4429.profile_fields']?.ids)],
    lazyMembers: state?.lazy_load_members ?? false,
    redundantMembers: state?.include_redundant_members ?? false,
    countsByThread: timeline?.unread_thread_notifications ?? false,
    format: format ?? 'client',
  }
}
