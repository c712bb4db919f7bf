import { table } from '../src/ports/storage.ts'
import { type Migration, migrations } from '../src/storage/schema.ts'
import type { Identity } from './identity.ts'
import type { SealedAnswer } from './sealed-answer.ts'
import type { StoredSettings } from './stored-settings.ts'

export const identities = table<'self', Identity>('identity')
export const storedSettings = table<'self', StoredSettings>('stored_settings')
/** The incarnation by which this instance learned to be superseded. */
export const supersededBy = table<'self', number>('superseded_by')

/** [when it was kept, in ms since the epoch; hash of the request id] → the answer to a request that may come again, sealed. */
export const keptAnswers = table<readonly [number, string], SealedAnswer>('kept_answers')

const browserMigrations: readonly Migration[] = [{ create: [identities.name, storedSettings.name, supersededBy.name, keptAnswers.name] }]

/** The homeserver's tables and those of the browser part. Both lists only ever grow, and so does the version, which is their length. */
export const allMigrations: readonly Migration[] = [...migrations, ...browserMigrations]

/** The homeserver's own tables. */
export const homeserverTables = migrations.flatMap(({ create }) => create).map((name) => table<string, unknown>(name))
