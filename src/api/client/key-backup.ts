import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import type { BackedUpKey, BackedUpKeys, BackupPart, BackupState, KeyBackup } from '../../keys/key-backup.ts'
import { invalidParam, notFound } from '../../spec/errors.ts'
import type { RoomId } from '../../spec/event.ts'
import { fitsBytes, isRoomId } from '../../spec/identifiers.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'
import type { StoredBackupVersion } from '../../storage/tables/keys.ts'

type Params = Readonly<Record<string, string>>

const root = '/_matrix/client/v3/room_keys'
const keysPath = [`${root}/keys`, `${root}/keys/:roomId`, `${root}/keys/:roomId/:sessionId`]
const versionQuery = v.looseObject({ version: v.string() })
const backupBody = v.looseObject({
  algorithm: v.pipe(v.string(), v.maxLength(255)),
  auth_data: jsonObject,
  version: v.optional(v.string()),
})
/** A whole account's keys come in one request. */
const keysBodyLimit = 1 << 25

/** Key backups (Client-Server API, "Server-side key backups"). */
export function keyBackupEndpoints({ keyBackup }: { readonly keyBackup: KeyBackup }): Endpoint[] {
  return [...versionEndpoints(keyBackup), ...keysEndpoints(keyBackup)]
}

function versionEndpoints(keyBackup: KeyBackup): Endpoint[] {
  const path = `${root}/version/:version`
  return [
    forUser({
      method: 'POST',
      path: `${root}/version`,
      body: backupBody,
      handle: async ({ session, body, keep }) => {
        const answerTo = (version: number) => ({ version: String(version) })
        const backup = { algorithm: body.algorithm, authData: body.auth_data }
        return answerTo(await keyBackup.create(session.userId, backup, (version) => keep(answerTo(version))))
      },
    }),
    forUser({
      method: 'GET',
      path: [`${root}/version`, path],
      handle: async ({ session, params }) => {
        const wanted = params.version === undefined ? undefined : versionOf(params.version)
        const { version, backup } = await keyBackup.get(session.userId, wanted)
        return versionJson(version, backup)
      },
    }),
    forUser({
      method: 'PUT',
      path,
      body: backupBody,
      handle: async ({ session, params: { version = '' }, body }) => {
        if (body.version !== undefined && body.version !== version) throw invalidParam('The versions in body and path differ')
        await keyBackup.update(session.userId, versionOf(version), { algorithm: body.algorithm, authData: body.auth_data })
        return {}
      },
    }),
    forUser({
      method: 'DELETE',
      path,
      handle: async ({ session, params: { version = '' } }) => {
        await keyBackup.delete(session.userId, versionOf(version))
        return {}
      },
    }),
  ]
}

function keysEndpoints(keyBackup: KeyBackup): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: keysPath,
      query: versionQuery,
      handle: async ({ session, params, query }) => {
        const rooms = await keyBackup.keys(session.userId, versionOf(query.version), partOf(params))
        return keysJson(rooms, params)
      },
    }),
    forUser({
      method: 'PUT',
      path: keysPath,
      query: versionQuery,
      bodyLimit: keysBodyLimit,
      body: jsonObject,
      handle: async ({ session, params, query, body }) =>
        stateJson(await keyBackup.store(session.userId, versionOf(query.version), uploadedKeys(params, body))),
    }),
    forUser({
      method: 'DELETE',
      path: keysPath,
      query: versionQuery,
      handle: async ({ session, params, query }) =>
        stateJson(await keyBackup.deleteKeys(session.userId, versionOf(query.version), partOf(params))),
    }),
  ]
}

function versionOf(version: string): number {
  if (!/^[1-9]\d{0,14}$/.test(version)) throw notFound('Unknown backup version')
  return Number(version)
}

function partOf({ roomId, sessionId }: Params): BackupPart {
  return { ...(roomId === undefined ? {} : { roomId: checkedRoom(roomId) }), ...(sessionId === undefined ? {} : { sessionId }) }
}

function checkedRoom(roomId: string): RoomId {
  if (!isRoomId(roomId)) throw invalidParam('Not a room id')
  return roomId
}

/** The keys of a body, whose shape depends on how much the path names. */
function uploadedKeys({ roomId, sessionId }: Params, body: JsonObject): BackedUpKeys {
  if (roomId !== undefined && sessionId !== undefined) return new Map([[checkedRoom(roomId), sessionsOf({ [sessionId]: body })]])
  if (roomId !== undefined) return new Map([[checkedRoom(roomId), sessionsOf(body.sessions)]])
  if (!isObject(body.rooms)) throw invalidParam('rooms is not an object')
  return new Map(
    Object.entries(body.rooms).map(([each, keys]) => [checkedRoom(each), sessionsOf(isObject(keys) ? keys.sessions : undefined)]),
  )
}

function sessionsOf(sessions: unknown): Map<string, BackedUpKey> {
  if (!isObject(sessions)) throw invalidParam('sessions is not an object')
  return new Map(
    Object.entries(sessions).map(([sessionId, key]) => {
      if (!fitsBytes(sessionId)) throw invalidParam('A session id exceeds 255 bytes')
      if (!isBackedUpKey(key)) throw invalidParam(`The key of session ${sessionId} is malformed`)
      return [sessionId, key]
    }),
  )
}

function isBackedUpKey(key: unknown): key is BackedUpKey {
  return (
    isObject(key) &&
    Number.isSafeInteger(key.first_message_index) &&
    Number.isSafeInteger(key.forwarded_count) &&
    typeof key.is_verified === 'boolean' &&
    isObject(key.session_data)
  )
}

function keysJson(rooms: ReadonlyMap<RoomId, ReadonlyMap<string, JsonObject>>, { roomId, sessionId }: Params): JsonObject {
  if (roomId === undefined) {
    return { rooms: Object.fromEntries([...rooms].map(([each, sessions]) => [each, { sessions: Object.fromEntries(sessions) }])) }
  }
  const sessions = rooms.get(roomId) ?? new Map<string, JsonObject>()
  if (sessionId === undefined) return { sessions: Object.fromEntries(sessions) }
  const key = sessions.get(sessionId)
  if (!key) throw notFound('The key is not in the backup')
  return key
}

function versionJson(version: number, backup: StoredBackupVersion): JsonObject {
  return { algorithm: backup.algorithm, auth_data: backup.authData, ...stateJson(backup), version: String(version) }
}

function stateJson({ count, etag }: BackupState): JsonObject {
  return { count, etag: String(etag) }
}
