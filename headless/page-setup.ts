import * as v from 'valibot'
import { storedSettingsSchema } from '../worker/stored-settings.ts'

/** What the headless program tells its page. */
export const pageSetupSchema = v.strictObject({
  /** Omitted: a self-certifying name. */
  serverName: v.optional(v.string()),
  settings: storedSettingsSchema,
})

export type PageSetup = v.InferOutput<typeof pageSetupSchema>
