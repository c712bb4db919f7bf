import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { Settings } from '../../ports/settings.ts'
import { notFound } from '../../spec/errors.ts'

/** How long clients may use the credentials of a TURN server before they ask again. */
const turnLifetimeSeconds = 24 * 3600

/**
 * Endpoints by which clients learn that there are no bridges here, which TURN server there is, if any, and that no unit forwards calls
 * of many (MSC4143, as Synapse's `rest/client/matrixrtc.py` without transports; a list, since matrix-js-sdk's `client.ts` reads one).
 */
export function notOfferedEndpoints({ turn }: Settings): Endpoint[] {
  const thirdparty = '/_matrix/client/v3/thirdparty'
  const none = (path: readonly string[], message: string) =>
    forUser({
      method: 'GET',
      path,
      handle: () => {
        throw notFound(message)
      },
    })
  return [
    forUser({ method: 'GET', path: `${thirdparty}/protocols`, handle: () => ({}) }),
    none([`${thirdparty}/protocol/:protocol`], 'There is no such protocol'),
    none([`${thirdparty}/location`, `${thirdparty}/location/:protocol`], 'There are no portal rooms'),
    none([`${thirdparty}/user`, `${thirdparty}/user/:protocol`], 'There are no third-party users'),
    forUser({
      method: 'GET',
      path: '/_matrix/client/unstable/org.matrix.msc4143/rtc/transports',
      handle: () => ({ rtc_transports: [] }),
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/voip/turnServer',
      handle: () => {
        if (!turn) throw notFound('This homeserver knows no TURN server')
        return { uris: [...turn.uris], username: turn.username, password: turn.password, ttl: turnLifetimeSeconds }
      },
    }),
  ]
}
