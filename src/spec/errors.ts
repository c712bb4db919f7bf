import type { JsonObject } from './json.ts'

/**
 * A standard error response of Matrix (Client-Server API, "Standard error response"). Thrown only at the API edge and made a
 * response in one place. `message` goes to the client: it never holds a secret.
 *
 * @example throw forbidden('You are not in this room')
 */
export class MatrixError extends Error {
  readonly status: number
  readonly errcode: string
  /** What some error codes add beside `errcode` and `error`. */
  readonly fields: JsonObject

  constructor(status: number, errcode: string, details: { message: string; fields?: JsonObject }) {
    super(details.message)
    this.name = 'MatrixError'
    this.status = status
    this.errcode = errcode
    this.fields = details.fields ?? {}
  }

  /** The JSON body of the response. */
  body(): JsonObject {
    return { ...this.fields, errcode: this.errcode, error: this.message }
  }
}

function error(status: number, errcode: string, message: string): MatrixError {
  return new MatrixError(status, errcode, { message })
}

/** 400: the JSON is valid, what it holds is not. */
export const badJson = (message: string): MatrixError => error(400, 'M_BAD_JSON', message)

/** 400: the body is no JSON. */
export const notJson = (message = 'The request body is not valid JSON'): MatrixError => error(400, 'M_NOT_JSON', message)

/** 400: a parameter has a wrong value. */
export const invalidParam = (message: string): MatrixError => error(400, 'M_INVALID_PARAM', message)

/** 400: a required parameter is missing. */
export const missingParam = (message: string): MatrixError => error(400, 'M_MISSING_PARAM', message)

/** 400: the change of state cannot be made, such as the unban of a user who is not banned. */
export const badState = (message: string): MatrixError => error(400, 'M_BAD_STATE', message)

/** 400: the initial state given to `createRoom` is invalid. */
export const invalidRoomState = (message: string): MatrixError => error(400, 'M_INVALID_ROOM_STATE', message)

/** 400: the user name cannot be registered. */
export const invalidUsername = (message: string): MatrixError => error(400, 'M_INVALID_USERNAME', message)

/** 400: the user name is taken. */
export const userInUse = (message = 'This user name is taken'): MatrixError => error(400, 'M_USER_IN_USE', message)

/** 400: the room alias is taken. */
export const roomInUse = (message = 'This room alias is taken'): MatrixError => error(400, 'M_ROOM_IN_USE', message)

/** 400: the password is too weak. */
export const weakPassword = (message: string): MatrixError => error(400, 'M_WEAK_PASSWORD', message)

/** 400: the room version asked for is not served. */
export const unsupportedRoomVersion = (message: string): MatrixError => error(400, 'M_UNSUPPORTED_ROOM_VERSION', message)

/** 400: the room has a version that this server, or the server that asks, does not support. */
export const incompatibleRoomVersion = (roomVersion: string): MatrixError =>
  new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', {
    message: `Room version ${roomVersion} is not supported`,
    fields: { room_version: roomVersion },
  })

/** 401: the request carries no access token. */
export const missingToken = (message = 'Missing access token'): MatrixError => error(401, 'M_MISSING_TOKEN', message)

/** 401: the token is unknown; with `softLogout` it only expired, and the client may keep its data and log in again. */
export const unknownToken = (message = 'Unknown token', softLogout = false): MatrixError =>
  new MatrixError(401, 'M_UNKNOWN_TOKEN', { message, fields: softLogout ? { soft_logout: true } : {} })

/** 401: the request was not correctly authorised; federation answers it where the signature of a request fails. */
export const unauthorized = (message: string): MatrixError => error(401, 'M_UNAUTHORIZED', message)

/** 401: the account is locked; the session may go on once it is unlocked. */
export const userLocked = (message = 'This account is locked'): MatrixError =>
  new MatrixError(401, 'M_USER_LOCKED', { message, fields: { soft_logout: true } })

/** 403: it is not allowed. */
export const forbidden = (message: string): MatrixError => error(403, 'M_FORBIDDEN', message)

/** 400: whether the conditions of a restricted room are met cannot be seen from here: another server may know. */
export const unableToAuthoriseJoin = (): MatrixError =>
  error(400, 'M_UNABLE_TO_AUTHORISE_JOIN', 'This server cannot see whether the conditions of the room are met')

/** 400: a condition of a restricted room is met, but nobody of this server may let others in: another server may. */
export const unableToGrantJoin = (): MatrixError => error(400, 'M_UNABLE_TO_GRANT_JOIN', 'Nobody of this server may invite to the room')

/** 403: the user takes no invitations. */
export const inviteBlocked = (): MatrixError => error(403, 'M_INVITE_BLOCKED', 'This user takes no invitations')

/** 403: the account is suspended: it may read, and do little else. */
export const userSuspended = (message = 'You cannot do this while your account is suspended'): MatrixError =>
  error(403, 'M_USER_SUSPENDED', message)

/** 403: guests may not do this. */
export const guestAccessForbidden = (message = 'Guests may not do this'): MatrixError => error(403, 'M_GUEST_ACCESS_FORBIDDEN', message)

/** 403: the account was deactivated. */
export const userDeactivated = (message = 'This account was deactivated'): MatrixError => error(403, 'M_USER_DEACTIVATED', message)

/** 403: the homeserver has reached a limit of resources; `adminContact` is a URI. */
export const resourceLimitExceeded = (message: string, adminContact: string): MatrixError =>
  new MatrixError(403, 'M_RESOURCE_LIMIT_EXCEEDED', { message, fields: { admin_contact: adminContact } })

/** 404: there is no such resource. */
export const notFound = (message = 'Not found'): MatrixError => error(404, 'M_NOT_FOUND', message)

/** 404: no such endpoint; 405 where the endpoint exists, but not with this method. */
export const unrecognized = (status: 404 | 405 = 404): MatrixError =>
  error(status, 'M_UNRECOGNIZED', status === 404 ? 'Unrecognized request' : 'Method not allowed')

/** 413: the request or the entity is too large. */
export const tooLarge = (message: string): MatrixError => error(413, 'M_TOO_LARGE', message)

/** 429: too many requests; the response also carries `Retry-After`. */
export const limitExceeded = (retryAfterMs: number): MatrixError =>
  new MatrixError(429, 'M_LIMIT_EXCEEDED', { message: 'Too many requests', fields: { retry_after_ms: Math.ceil(retryAfterMs) } })

/** 500, or another status: something that no error code describes. */
export const unknownError = (message = 'Internal server error', status = 500): MatrixError => error(status, 'M_UNKNOWN', message)
