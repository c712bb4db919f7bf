import type { Edu } from '../spec/edu.ts'
import type { ServerName } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'

/**
 * Sends EDUs that may be lost (typing, receipts, presence): kept in memory, newest wins for one `key`.
 * EDUs that must survive (to-device, device lists) are rows of the `outgoing_edus` table instead.
 */
export type SendEphemeral = (destinations: Iterable<ServerName>, edu: Edu, key: string) => void

/** Takes an EDU of one type from `origin`, whose right to speak it checks itself. Never throws for bad content: drops it. */
export type EduHandler = (origin: ServerName, content: JsonObject) => Promise<void>
