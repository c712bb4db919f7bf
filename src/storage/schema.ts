import { federationTables } from './tables/federation.ts'
import { dehydratedDevices, keyTables } from './tables/keys.ts'
import { mediaTables } from './tables/media.ts'
import {
  childrenInOrder,
  eventPacks,
  eventRuns,
  orderedRelations,
  roomTables,
  roomTails,
  stickyEvents,
  threadReplies,
  unreadCounts,
} from './tables/rooms.ts'
import { searchTables } from './tables/search.ts'
import { streamTables } from './tables/streams.ts'
import { profileChanges, profileLog, threadSubscriptions, userTables } from './tables/users.ts'

/** One step of the schema: the tables it brings. A released step never changes; a new one is appended. */
export interface Migration {
  readonly create: readonly string[]
}

const named = (tables: Readonly<Record<string, { readonly name: string }>>) => Object.values(tables).map((table) => table.name)

/** The schema's history; the database version is the number of steps. */
export const migrations: readonly Migration[] = [
  {
    create: [
      ...named(streamTables),
      ...named(roomTables),
      ...named(userTables),
      ...named(keyTables),
      ...named(mediaTables),
      ...named(federationTables),
    ],
  },
  { create: named(searchTables) },
  { create: [dehydratedDevices.name, stickyEvents.name] },
  { create: [childrenInOrder.name, threadReplies.name, orderedRelations.name] },
  { create: [unreadCounts.name] },
  { create: [threadSubscriptions.name] },
  { create: [profileChanges.name, profileLog.name] },
  { create: [eventPacks.name, eventRuns.name] },
  { create: [roomTails.name] },
]
