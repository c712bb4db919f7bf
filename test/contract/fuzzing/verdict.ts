import { isObject } from '../../../src/spec/json.ts'

/** The error codes of the specification. */
const errcodes: ReadonlySet<unknown> = new Set(
  (
    'APPSERVICE_LOGIN_UNSUPPORTED BAD_ALIAS BAD_JSON BAD_STATE BAD_STATUS CANNOT_LEAVE_SERVER_NOTICE_ROOM CANNOT_OVERWRITE_MEDIA CAPTCHA_INVALID ' +
    'CAPTCHA_NEEDED CONNECTION_FAILED CONNECTION_TIMEOUT DUPLICATE_ANNOTATION EXCLUSIVE FORBIDDEN GUEST_ACCESS_FORBIDDEN ' +
    'INCOMPATIBLE_ROOM_VERSION INVALID_PARAM INVALID_ROOM_STATE INVALID_SIGNATURE INVALID_USERNAME INVITE_BLOCKED KEY_TOO_LARGE ' +
    'LIMIT_EXCEEDED MISSING_PARAM MISSING_TOKEN NOT_FOUND NOT_JSON NOT_YET_UPLOADED PROFILE_TOO_LARGE RESOURCE_LIMIT_EXCEEDED ROOM_IN_USE ' +
    'SERVER_NOT_TRUSTED SESSION_EXPIRED SESSION_NOT_VALIDATED THREEPID_AUTH_FAILED THREEPID_DENIED THREEPID_IN_USE ' +
    'THREEPID_MEDIUM_NOT_SUPPORTED THREEPID_NOT_FOUND TOO_LARGE UNABLE_TO_AUTHORISE_JOIN UNABLE_TO_GRANT_JOIN UNAUTHORIZED UNKNOWN ' +
    'UNKNOWN_DEVICE UNKNOWN_TOKEN UNRECOGNIZED UNSUPPORTED_ROOM_VERSION URL_NOT_SET USER_DEACTIVATED USER_IN_USE USER_LIMIT_EXCEEDED ' +
    'USER_LOCKED USER_SUSPENDED WEAK_PASSWORD WRONG_ROOM_KEYS_VERSION'
  )
    .split(' ')
    .map((code) => `M_${code}`),
)

const patienceMs = 5_000

/** Those of OAuth 2.0, which its own endpoints answer (RFC 6749, RFC 7591, RFC 8628). */
const oauthErrors = /^(invalid|unauthorized|unsupported)_\w+$|^(access|authorization)_\w+$|^(slow_down|expired_token|server_error)$/

/** What is wrong with how a hostile request was answered; `undefined` where nothing is. */
export async function faultOf(answered: Promise<Response>): Promise<string | undefined> {
  const response = await withinPatience(answered)
  if (!response) return `it was not answered within ${patienceMs} ms`
  const text = await response.text()
  const { status } = response
  if (status < 400 && response.headers.get('content-type') !== 'application/json') return undefined
  const body = parsed(text)
  // People see these in their browsers.
  if (body === undefined && response.headers.get('content-type')?.startsWith('text/html')) return status < 500 ? undefined : text
  if (body === undefined) return `${status} is not JSON: ${text.slice(0, 200)}`
  if (status < 400) return undefined
  const { errcode, error } = isObject(body) ? body : {}
  // Content that is still to come, or another server that does not answer.
  if (status >= 500 && status !== 504) return `${status} ${text}`
  if (errcode === undefined && typeof error === 'string' && oauthErrors.test(error)) return undefined
  const isChallenge = status === 401 && isObject(body) && 'flows' in body
  if (!isChallenge && !errcodes.has(errcode)) return `${status} has no error code of the specification: ${text.slice(0, 200)}`
  return undefined
}

async function withinPatience(answered: Promise<Response>): Promise<Response | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), patienceMs)
  const response = await Promise.race([answered, late.promise])
  clearTimeout(timer)
  return response
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
