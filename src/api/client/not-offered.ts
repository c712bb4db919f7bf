import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { notFound } from '../../spec/errors.ts'

/** Endpoints by which clients learn that there are no bridges and no TURN server here. */
export function notOfferedEndpoints(): Endpoint[] {
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
    none(['/_matrix/client/v3/voip/turnServer'], 'This homeserver knows no TURN server'),
  ]
}
