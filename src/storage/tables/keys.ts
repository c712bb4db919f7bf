import { table } from '../../ports/storage.ts'
import type { RoomId, ServerName, UserId } from '../../spec/event.ts'
import type { JsonObject, JsonValue } from '../../spec/json.ts'

export interface StoredOneTimeKey {
  /** `algorithm:id`. */
  readonly keyId: string
  readonly key: JsonValue
}

export interface StoredFallbackKey extends StoredOneTimeKey {
  /** Handed out since it was uploaded. */
  readonly used: boolean
}

export interface StoredDeviceList {
  /** Of the newest change. */
  readonly position: number
  /** Of the newest `m.device_list_update` sent to everyone; 0 before the first. */
  readonly streamId: number
}

/** What another server said of its user's devices. */
export interface StoredRemoteDevices {
  /** Of the newest update applied; absent until the first. */
  readonly streamId?: number
  /** Device id → signed device keys; `device_display_name` in `unsigned`. */
  readonly devices: Readonly<Record<string, JsonObject>>
  readonly masterKey?: JsonObject
  readonly selfSigningKey?: JsonObject
  /** An update was missed: to be fetched anew before it is used. */
  readonly stale?: true
}

export interface StoredBackupVersion {
  readonly algorithm: string
  readonly authData: JsonObject
  readonly count: number
  readonly etag: number
  readonly deleted?: true
}

/** [user id, device id] → signed device keys as uploaded. */
export const deviceKeys = table<readonly [UserId, string], JsonObject>('device_keys')
/** [user id, device id, algorithm, position of upload, index in the upload]: handed out in this order. */
export const oneTimeKeys = table<readonly [UserId, string, string, number, number], StoredOneTimeKey>('one_time_keys')
/** [user id, device id, `algorithm:id`] → a one-time key that was handed out: it never will be again, whoever uploads it. */
export const claimedKeys = table<readonly [UserId, string, string], JsonValue>('claimed_keys')
/** [user id, device id, algorithm]. */
export const fallbackKeys = table<readonly [UserId, string, string], StoredFallbackKey>('fallback_keys')
/** [user id, `master` | `self_signing` | `user_signing`]. */
export const crossSigningKeys = table<readonly [UserId, string], JsonObject>('cross_signing_keys')
/** [signed user id, signed device id or public key, signing user id, signing key id] → signature, beside those uploaded with the key. */
export const keySignatures = table<readonly [UserId, string, UserId, string], string>('key_signatures')
/** User id, of any server → where the user's device list stands. */
export const deviceLists = table<UserId, StoredDeviceList>('device_lists')
/** Position → whose device list changed there; one row for each user. */
export const deviceListLog = table<number, UserId>('device_list_log')
/** [signing user id, position] → whom the user signed: seen by that user alone. */
export const userSignatureLog = table<readonly [UserId, number], UserId>('user_signature_log')
/** Users of other servers whose devices clients here asked for. */
export const remoteDevices = table<UserId, StoredRemoteDevices>('remote_devices')
/** [user id, version]. */
export const backupVersions = table<readonly [UserId, number], StoredBackupVersion>('backup_versions')
/** [user id, version, room id, session id]. */
export const backupSessions = table<readonly [UserId, number, RoomId, string], JsonObject>('backup_sessions')
/** [user id, device id, position] → a to-device message that waits for its device. */
export const toDeviceInbox = table<readonly [UserId, string, number], JsonObject>('to_device_inbox')
/** [user id, device id, event type and transaction id] → when it was sent. */
export const toDeviceTransactions = table<readonly [UserId, string, string], number>('to_device_transactions')
/** [origin, message id] → when it was received: to-device EDUs already delivered. */
export const receivedToDevice = table<readonly [ServerName, string], number>('received_to_device')

/** [user id, device id] → the device that waits for its user, encrypted (MSC3814); at most one for each user. */
export const dehydratedDevices = table<readonly [UserId, string], JsonObject>('dehydrated_devices')

/** Those of the first step of the schema. */
export const keyTables = {
  deviceKeys,
  oneTimeKeys,
  claimedKeys,
  fallbackKeys,
  crossSigningKeys,
  keySignatures,
  deviceLists,
  deviceListLog,
  userSignatureLog,
  remoteDevices,
  backupVersions,
  backupSessions,
  toDeviceInbox,
  toDeviceTransactions,
  receivedToDevice,
}
