import { table } from '../../ports/storage.ts'
import type { EventId, RoomId, UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'

/** An account of this homeserver. */
export interface StoredAccount {
  /** PHC string; absent where nobody can log in with a password. */
  readonly passwordHash?: string
  readonly admin: boolean
  readonly createdTs: number
  readonly deactivated?: true
  /** May not be used until an administrator unlocks it. */
  readonly locked?: true
  /** May read and leave, and hardly write, until an administrator lifts it. */
  readonly suspended?: true
  /** Was made without a name and a password, and may do little. */
  readonly guest?: true
}

export interface StoredDevice {
  readonly displayName?: string
  readonly createdTs: number
  readonly lastSeenTs: number
  readonly lastSeenAddress: string
}

/** An access token, by the SHA-256 of what the client holds. */
export interface StoredAccessToken {
  readonly userId: UserId
  readonly deviceId: string
  /** Ms since the epoch; absent for clients that cannot refresh. */
  readonly expiresTs?: number
  /** The refresh token this token was got with: revoked when this one is first used. */
  readonly replaces?: string
  /** The OAuth client that it was given to; absent where it comes from the legacy API. */
  readonly oauthClientId?: string
}

export interface StoredRefreshToken {
  readonly userId: UserId
  readonly deviceId: string
  /** The refresh token this one was got with: revoked when this one is first used. */
  readonly replaces?: string
  readonly oauthClientId?: string
}

/** A client that registered itself. */
export interface StoredOAuthClient {
  readonly metadata: JsonObject
  readonly issuedTs: number
}

/** A device that waits for its user to let it in from another one. */
export interface StoredDeviceGrant {
  /** SHA-256 of the code that the user types. */
  readonly userCode: string
  readonly clientId: string
  readonly scope: string
  readonly expiresTs: number
  /** Who let it in; absent while that is open. */
  readonly decision?: UserId | 'denied'
}

export interface StoredAccountData {
  readonly content: JsonObject
  readonly position: number
}

/** Where a profile, and each of its fields, changed last. */
export interface StoredProfileChanges {
  readonly position: number
  readonly fields: Readonly<Record<string, number>>
}

/** A thread that a user subscribes to, or did. */
export interface StoredThreadSubscription {
  readonly subscribed: boolean
  /** Whether a client subscribed by itself. */
  readonly automatic: boolean
  readonly position: number
  /** How deep the room was when the user unsubscribed. */
  readonly depth?: number
}

export interface StoredReceipt {
  readonly eventId: EventId
  readonly ts: number
  readonly position: number
}

export interface StoredPresence {
  readonly presence: 'online' | 'unavailable' | 'offline'
  readonly statusMsg?: string
  readonly lastActiveTs: number
  readonly position: number
}

/** Where a user is notified, and how far that has come. */
export interface StoredPusher {
  /** As clients see it. */
  readonly pusher: JsonObject
  /** The device that set it: it goes with the device. */
  readonly deviceId: string
  readonly setTs: number
  /** Up to where events were looked at. */
  readonly position: number
  /** Since when the gateway does not answer. */
  readonly failingSinceTs?: number
}

export interface StoredOpenIdToken {
  readonly userId: UserId
  readonly expiresTs: number
}

/** A secret that works once: a login token, an OAuth code. */
export interface StoredSingleUse {
  /** What it is for, and what it stands for there. */
  readonly purpose: string
  readonly content: JsonObject
  readonly expiresTs: number
}

/** A token that lets its holder register. */
export interface StoredRegistrationToken {
  /** How many accounts it may make; absent where that has no bound. */
  readonly usesAllowed?: number
  readonly completed: number
  readonly expiresTs?: number
}

export const accounts = table<UserId, StoredAccount>('accounts')
/** [user id, device id]. */
export const devices = table<readonly [UserId, string], StoredDevice>('devices')
/** SHA-256 of the token. */
export const accessTokens = table<string, StoredAccessToken>('access_tokens')
export const refreshTokens = table<string, StoredRefreshToken>('refresh_tokens')
/** SHA-256 of how all refresh tokens of a session begin → whose session it is. */
export const tokenFamilies = table<string, { readonly userId: UserId; readonly deviceId: string }>('token_families')
/** [user id, device id, hash] → which of the three tables it is in. */
export const deviceTokens = table<readonly [UserId, string, string], 'access' | 'refresh' | 'family'>('device_tokens')
/** Local user → profile fields. */
export const profiles = table<UserId, JsonObject>('profiles')
/** Local user → when that changed. */
export const profileChanges = table<UserId, StoredProfileChanges>('profile_changes')
/** Position → whose profile changed there; one row for each that ever did. */
export const profileLog = table<number, UserId>('profile_log')
/** [user id, room id or '' for global, type]. */
export const accountData = table<readonly [UserId, RoomId, string], StoredAccountData>('account_data')
/** [user id, position] → what changed there, and `deleted` where it was; one row for each row of account data. */
export const accountDataLog = table<readonly [UserId, number], readonly [RoomId, string, 'deleted'?]>('account_data_log')
/** [user id, room id, thread root]. */
export const threadSubscriptions = table<readonly [UserId, RoomId, EventId], StoredThreadSubscription>('thread_subscriptions')
/** [user id, filter id]. */
export const filters = table<readonly [UserId, string], JsonObject>('filters')
/** [user id, app id, pushkey]. */
export const pushers = table<readonly [UserId, string, string], StoredPusher>('pushers')
/** [room id, user id, receipt type, thread id or '' for unthreaded]. */
export const receipts = table<readonly [RoomId, UserId, string, string], StoredReceipt>('receipts')
/** Position → the key of the receipt written there; one row for each receipt. */
export const receiptLog = table<number, readonly [RoomId, UserId, string, string]>('receipt_log')
export const presences = table<UserId, StoredPresence>('presences')
/** SHA-256 of the token. */
export const openIdTokens = table<string, StoredOpenIdToken>('openid_tokens')
/** SHA-256 of the secret. */
export const singleUse = table<string, StoredSingleUse>('single_use')
/** The token itself: who administers the homeserver reads it again. */
export const registrationTokens = table<string, StoredRegistrationToken>('registration_tokens')
export const oauthClients = table<string, StoredOAuthClient>('oauth_clients')
/** SHA-256 of the device code. */
export const deviceGrants = table<string, StoredDeviceGrant>('device_grants')

export const userTables = {
  accounts,
  devices,
  accessTokens,
  refreshTokens,
  tokenFamilies,
  deviceTokens,
  profiles,
  accountData,
  accountDataLog,
  filters,
  pushers,
  receipts,
  receiptLog,
  presences,
  openIdTokens,
  singleUse,
  registrationTokens,
  oauthClients,
  deviceGrants,
}
