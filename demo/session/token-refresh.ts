import type { StoredSession } from './stored-session.ts'

const refreshPath = '/_matrix/client/v3/refresh'

/**
 * A `fetch` that carries the session's access token and renews it once it has expired (Client-Server API, "Refreshing
 * access tokens"): the SDK does so only for sessions of OAuth 2.0.
 *
 * @param save called with the session as it is after each renewal
 */
export function refreshingFetch(session: StoredSession, save: (session: StoredSession) => void): typeof fetch {
  let current = session
  let renewal: Promise<boolean> | undefined

  const renew = async (): Promise<boolean> => {
    const renewed = await renewedTokens(current)
    if (!renewed) return false
    current = renewed
    save(current)
    return true
  }
  const send = (resource: RequestInfo | URL, options: RequestInit | undefined) => {
    const headers = new Headers(options?.headers)
    if (headers.has('authorization')) headers.set('authorization', `Bearer ${current.accessToken}`)
    return fetch(resource, { ...options, headers })
  }
  return async (resource, options) => {
    const token = current.accessToken
    const response = await send(resource, options)
    if (response.status !== 401 || current.refreshToken === undefined || !(await hasExpired(response))) return response
    if (token === current.accessToken) {
      renewal ??= renew().finally(() => {
        renewal = undefined
      })
      if (!(await renewal)) return response
    }
    return send(resource, options)
  }
}

/** Only a soft logout says that the refresh token is still good. */
async function hasExpired(response: Response): Promise<boolean> {
  const error: unknown = await response
    .clone()
    .json()
    .catch(() => undefined)
  return typeof error === 'object' && error !== null && 'soft_logout' in error && error.soft_logout === true
}

async function renewedTokens(session: StoredSession): Promise<StoredSession | undefined> {
  const body = JSON.stringify({ refresh_token: session.refreshToken })
  const response = await fetch(refreshPath, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).catch(
    () => undefined,
  )
  if (!response?.ok) return undefined
  const tokens: unknown = await response.json()
  if (typeof tokens !== 'object' || tokens === null || !('access_token' in tokens) || typeof tokens.access_token !== 'string')
    return undefined
  const refreshToken = 'refresh_token' in tokens && typeof tokens.refresh_token === 'string' ? tokens.refresh_token : session.refreshToken
  return { ...session, accessToken: tokens.access_token, ...(refreshToken === undefined ? {} : { refreshToken }) }
}
