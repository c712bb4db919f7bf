/** The rules of one room version. Each flag names the version that brought it and the MSC behind it. */
export interface RoomVersionRules {
  readonly version: string
  /** v1 ids are chosen by the server; v3 (MSC1659) makes them hashes; v4 (MSC2002) makes the base64 URL-safe. */
  readonly eventId: 'chosen' | 'hash' | 'url-safe-hash'
  /** v12 (MSC4291): the room id is the create event's hash, and events no longer name the create event. */
  readonly roomId: 'chosen' | 'create-event-hash'
  /** v2 (MSC1442); v12 (MSC4297) calls its amendment v2.1. */
  readonly stateResolution: 'v1' | 'v2' | 'v2.1'
  /** v6 (MSC2540): numbers are integers within ±(2⁵³−1). */
  readonly strictCanonicalJson: boolean
  /** v5 (MSC2076): a signature counts only while its key is valid at the event's time. */
  readonly enforceKeyValidity: boolean
  readonly redaction: RedactionRules
  readonly auth: AuthRules
}

/** What survives redaction. */
export interface RedactionRules {
  /** Until v10; v11 (MSC2176) drops `origin`, `membership` and `prev_state` from the top level. */
  readonly keepsObsoleteTopLevel: boolean
  /** Until v5; v6 (MSC2432) drops `aliases` of `m.room.aliases`. */
  readonly keepsAliases: boolean
  /** v8 (MSC3083): `allow` of `m.room.join_rules`. */
  readonly keepsJoinRuleAllow: boolean
  /** v9 (MSC3375): `join_authorised_via_users_server` of `m.room.member`. */
  readonly keepsJoinAuthoriser: boolean
  /** v11 (MSC2176): `signed` of `third_party_invite` of `m.room.member` (MSC3821). */
  readonly keepsThirdPartySigned: boolean
  /** v11 (MSC2176): all of `m.room.create`; before, `creator` alone. */
  readonly keepsCreateContent: boolean
  /** v11 (MSC2176): `invite` of `m.room.power_levels`. */
  readonly keepsInviteLevel: boolean
  /** v11 (MSC2174): `redacts` of `m.room.redaction` lies in `content`, and is kept there. */
  readonly redactsInContent: boolean
}

/** Where the authorisation rules differ. */
export interface AuthRules {
  /** Until v5; v6 (MSC2432) ends the rule that `m.room.aliases` belongs to a server. */
  readonly aliasesBelongToServer: boolean
  /** Until v2; from v3 (MSC1659) redactions are judged on arrival, not by the auth rules. */
  readonly checksRedactions: boolean
  /** v6 (MSC2209): `notifications` levels are guarded like `events`. */
  readonly guardsNotificationLevels: boolean
  /** v7 (MSC2403): `knock` joins the join rules and memberships. */
  readonly knock: boolean
  /** v8 (MSC3083): the `restricted` join rule. */
  readonly restricted: boolean
  /** v10 (MSC3787): the `knock_restricted` join rule. */
  readonly knockRestricted: boolean
  /** v10 (MSC3667): power levels must be integers. */
  readonly integerPowerLevels: boolean
  /** Until v10; v11 (MSC2175) takes the creator from the create event's sender. */
  readonly creatorInContent: boolean
  /** v12 (MSC4289): creators have infinite power and stay out of `users`; `additional_creators`. */
  readonly privilegedCreators: boolean
}

type Difference = Partial<Omit<RoomVersionRules, 'version' | 'redaction' | 'auth'>> & {
  readonly redaction?: Partial<RedactionRules>
  readonly auth?: Partial<AuthRules>
}

function derive(base: RoomVersionRules, version: string, difference: Difference): RoomVersionRules {
  return {
    ...base,
    ...difference,
    version,
    redaction: { ...base.redaction, ...difference.redaction },
    auth: { ...base.auth, ...difference.auth },
  }
}

const v1: RoomVersionRules = {
  version: '1',
  eventId: 'chosen',
  roomId: 'chosen',
  stateResolution: 'v1',
  strictCanonicalJson: false,
  enforceKeyValidity: false,
  redaction: {
    keepsObsoleteTopLevel: true,
    keepsAliases: true,
    keepsJoinRuleAllow: false,
    keepsJoinAuthoriser: false,
    keepsThirdPartySigned: false,
    keepsCreateContent: false,
    keepsInviteLevel: false,
    redactsInContent: false,
  },
  auth: {
    aliasesBelongToServer: true,
    checksRedactions: true,
    guardsNotificationLevels: false,
    knock: false,
    restricted: false,
    knockRestricted: false,
    integerPowerLevels: false,
    creatorInContent: true,
    privilegedCreators: false,
  },
}
const v2 = derive(v1, '2', { stateResolution: 'v2' })
const v3 = derive(v2, '3', { eventId: 'hash', auth: { checksRedactions: false } })
const v4 = derive(v3, '4', { eventId: 'url-safe-hash' })
const v5 = derive(v4, '5', { enforceKeyValidity: true })
const v6 = derive(v5, '6', {
  strictCanonicalJson: true,
  redaction: { keepsAliases: false },
  auth: { aliasesBelongToServer: false, guardsNotificationLevels: true },
})
const v7 = derive(v6, '7', { auth: { knock: true } })
const v8 = derive(v7, '8', { redaction: { keepsJoinRuleAllow: true }, auth: { restricted: true } })
const v9 = derive(v8, '9', { redaction: { keepsJoinAuthoriser: true } })
const v10 = derive(v9, '10', { auth: { knockRestricted: true, integerPowerLevels: true } })
const v11 = derive(v10, '11', {
  redaction: {
    keepsObsoleteTopLevel: false,
    keepsThirdPartySigned: true,
    keepsCreateContent: true,
    keepsInviteLevel: true,
    redactsInContent: true,
  },
  auth: { creatorInContent: false },
})
const v12 = derive(v11, '12', {
  roomId: 'create-event-hash',
  stateResolution: 'v2.1',
  auth: { privilegedCreators: true },
})

/** The rules of every room version of the specification, oldest first. */
export const roomVersions: ReadonlyMap<string, RoomVersionRules> = new Map(
  [v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12].map((rules) => [rules.version, rules]),
)

/** The room version of a new room when the client names none. */
export const defaultRoomVersion = '12'

/** The rules of `version`, or `undefined` if it is none of the specification's. */
export function rulesOf(version: string): RoomVersionRules | undefined {
  return roomVersions.get(version)
}

/** Versions served, oldest first. */
export function supportedRoomVersions(): string[] {
  return [...roomVersions.keys()]
}
