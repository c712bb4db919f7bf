/** What the paths of the OAuth 2.0 API begin with. */
export const oauthPrefix = '/_matrix/oauth2'

/** The actions that the account page has (Client-Server API, "Account management URL actions"). */
export const accountActions = [
  'org.matrix.profile',
  'org.matrix.devices_list',
  'org.matrix.device_view',
  'org.matrix.device_delete',
  'org.matrix.cross_signing_reset',
  'org.matrix.account_deactivate',
] as const

export type AccountAction = (typeof accountActions)[number]

/** Where users manage their accounts, seen from a request to this homeserver. */
export function accountPageUrl(request: Request, action: AccountAction): string {
  return `${new URL(request.url).origin}${oauthPrefix}/account?action=${action}`
}
