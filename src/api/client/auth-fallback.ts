import * as v from 'valibot'
import { type Endpoint, open } from '../../http/endpoint.ts'
import type { InteractiveAuth } from '../../users/interactive-auth.ts'

/**
 * Pages on which users authenticate where their client cannot have them do it (Client-Server API, "Fallback" of the
 * User-Interactive Authentication API, and "Login Fallback"). They are loaded when the first of them is opened.
 */
export function authFallbackEndpoints({ interactiveAuth }: { readonly interactiveAuth: InteractiveAuth }): Endpoint[] {
  const stagePage = (method: 'GET' | 'POST'): Endpoint =>
    open({
      method,
      path: '/_matrix/client/v3/auth/:stage/fallback/web',
      query: v.looseObject({ session: v.string() }),
      handle: async ({ params: { stage = '' }, query, request }) =>
        (await import('./auth-fallback-pages.ts')).answerStage(interactiveAuth, { stage, session: query.session, request }),
    })
  return [
    stagePage('GET'),
    stagePage('POST'),
    open({
      method: 'GET',
      path: ['/_matrix/static/client/login', '/_matrix/static/client/login/'],
      handle: async () => (await import('./auth-fallback-pages.ts')).loginPage(),
    }),
  ]
}
