import type { Rows } from './row.ts'

/** What a client asks before anything else, and what it learns is not there. */
export const discovery: Rows = {
  'GET /_matrix/client/versions': { request: () => ({}), others: 'anyone', cannotFail: true },
  'GET /.well-known/matrix/client': { request: () => ({}), others: 'anyone', cannotFail: true },
  'GET /.well-known/matrix/support': { request: () => ({}), others: 'anyone', cannotFail: true },
  'GET /_matrix/client/v3/capabilities': { request: () => ({}), others: 'anyone' },
  'GET /_matrix/client/v3/voip/turnServer': { request: () => ({}), others: 'anyone' },
  'GET /_matrix/client/unstable/org.matrix.msc4143/rtc/transports': { request: () => ({}), others: 'anyone' },
  'GET /_matrix/client/v3/thirdparty/protocols': { request: () => ({}), others: 'anyone' },
}
