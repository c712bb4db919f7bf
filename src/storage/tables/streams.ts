import { table } from '../../ports/storage.ts'

/** Facts about the homeserver as a whole: the reserved marks, the incarnation. */
export const meta = table<string, number>('meta')

export const streamTables = { meta }
