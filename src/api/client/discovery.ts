import { type Endpoint, forUser, open } from '../../http/endpoint.ts'
import { delayLimits } from '../../rooms/delayed-events.ts'
import { notFound } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import { defaultRoomVersion, supportedRoomVersions } from '../../spec/room-version.ts'

/** Of the specification; what each added is either served, or optional and answered as the specification says. */
const versions = Array.from({ length: 19 }, (_, index) => `v1.${index + 1}`)

/** Beyond the specification: only what is served. */
const unstableFeatures: JsonObject = {
  'org.matrix.msc3391': true,
  'org.matrix.msc4108': true,
  'org.matrix.msc4140': true,
  'org.matrix.msc4143': true,
  'org.matrix.msc4306': true,
  'org.matrix.msc4354': true,
  'org.matrix.msc4429': true,
  'org.matrix.simplified_msc3575': true,
  'uk.half-shot.msc2666.query_mutual_rooms': true,
}

export interface DiscoveryDeps {
  /** Where other clients than the pages of this origin reach the Client-Server API, if anywhere. */
  readonly clientBaseUrl?: string
  readonly admins: () => Promise<readonly UserId[]>
}

/** What a client asks before anything else (Client-Server API, "Server Discovery" and "Capabilities negotiation"). */
export function discoveryEndpoints({ clientBaseUrl, admins }: DiscoveryDeps): Endpoint[] {
  return [
    open({
      method: 'GET',
      path: '/_matrix/client/versions',
      handle: () => ({ versions, unstable_features: unstableFeatures }),
    }),
    open({
      method: 'GET',
      path: '/.well-known/matrix/client',
      handle: ({ request }) => {
        const base = clientBaseUrl ?? new URL(request.url).origin
        if (base === 'null') throw notFound('This homeserver is reached from its own page alone')
        return { 'm.homeserver': { base_url: base } }
      },
    }),
    open({
      method: 'GET',
      path: '/.well-known/matrix/support',
      handle: async () => {
        const contacts = (await admins()).map((userId) => ({ matrix_id: userId, role: 'm.role.admin' }))
        if (contacts.length === 0) throw notFound('Nobody runs this homeserver yet')
        return { contacts }
      },
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/capabilities',
      handle: ({ session }) => ({
        capabilities: {
          'm.change_password': { enabled: true },
          'm.room_versions': {
            default: defaultRoomVersion,
            available: Object.fromEntries(supportedRoomVersions().map((version) => [version, 'stable'])),
          },
          'm.set_displayname': { enabled: true },
          'm.set_avatar_url': { enabled: true },
          'm.profile_fields': { enabled: true },
          'm.3pid_changes': { enabled: false },
          'm.get_login_token': { enabled: true },
          'm.forget_forced_upon_leave': { enabled: false },
          'org.matrix.msc4140.delayed_events': { max_delay_ms: delayLimits.maxDelayMs, max_scheduled: delayLimits.maxScheduled },
          ...(session.admin ? { 'm.account_moderation': { lock: true, suspend: true } } : {}),
        },
      }),
    }),
  ]
}
