import * as v from 'valibot'
import type { Settings } from '../src/ports/settings.ts'

const text = (longest: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(longest))

/** What whoever runs the homeserver decides, as pages send it and storage keeps it. Every key may be left out. */
export const storedSettingsSchema = v.strictObject({
  relays: v.optional(v.pipe(v.array(v.strictObject({ address: text(1024), token: v.optional(text(1024)) })), v.maxLength(16))),
  open_registration: v.optional(v.boolean()),
  guests: v.optional(v.boolean()),
  rate_limits: v.optional(v.boolean()),
  shared_secret: v.optional(text(1024)),
  max_user_media_bytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  max_upload_bytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  /** For tests: passwords are hardly hashed. */
  fast_password_hash: v.optional(v.boolean()),
  /** Whether direct connections to other homeservers are made and taken. */
  webrtc: v.optional(v.boolean()),
  /** STUN and TURN servers; none unless given. */
  ice_servers: v.optional(
    v.pipe(
      v.array(v.strictObject({ urls: text(1024), username: v.optional(text(1024)), credential: v.optional(text(1024)) })),
      v.maxLength(16),
    ),
  ),
})

export type StoredSettings = v.InferOutput<typeof storedSettingsSchema>

/** The settings in the homeserver's own terms, defaults filled in. */
export function settingsOf(stored: StoredSettings, incarnation: number): Settings {
  return {
    incarnation,
    openRegistration: stored.open_registration ?? false,
    guests: stored.guests ?? false,
    rateLimits: stored.rate_limits ?? true,
    ...(stored.shared_secret === undefined ? {} : { sharedSecret: stored.shared_secret }),
    ...(stored.max_user_media_bytes === undefined ? {} : { maxUserMediaBytes: stored.max_user_media_bytes }),
    maxUploadBytes: stored.max_upload_bytes ?? 50 << 20,
    ...turnOf(stored),
  }
}

/** The TURN servers among those for our own connections that the credentials of the first open. */
function turnOf({ ice_servers: servers = [] }: StoredSettings): Pick<Settings, 'turn'> {
  const turns = servers.filter(({ urls }) => /^turns?:/.test(urls))
  const { username, credential: password } = turns[0] ?? {}
  if (username === undefined || password === undefined) return {}
  const opened = turns.filter((server) => server.username === username && server.credential === password)
  return { turn: { uris: opened.map(({ urls }) => urls), username, password } }
}
