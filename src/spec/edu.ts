import type { JsonObject } from './json.ts'

/** An ephemeral data unit (Server-Server API, "EDUs"). */
export interface Edu {
  readonly edu_type: string
  readonly content: JsonObject
}
