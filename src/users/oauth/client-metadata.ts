import * as v from 'valibot'
import type { JsonObject } from '../../spec/json.ts'
import { OAuthError } from './oauth-error.ts'

const uri = v.pipe(v.string(), v.maxLength(2000))
const words = v.pipe(v.array(v.pipe(v.string(), v.maxLength(200))), v.maxLength(50))

const registration = v.looseObject({
  client_uri: uri,
  client_name: v.optional(v.pipe(v.string(), v.maxLength(200))),
  logo_uri: v.optional(uri),
  tos_uri: v.optional(uri),
  policy_uri: v.optional(uri),
  redirect_uris: v.optional(v.pipe(v.array(uri), v.maxLength(20))),
  response_types: v.optional(words),
  grant_types: v.optional(words),
  token_endpoint_auth_method: v.optional(v.string()),
  application_type: v.optional(v.picklist(['web', 'native'])),
})

export const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code'
export const grantTypes: readonly string[] = ['authorization_code', 'refresh_token', deviceCodeGrant]
const loopbackUri = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(?=[/?]|$)/

/** What is known of a client: the metadata it registered, as far as it is understood. */
export interface OAuthClient {
  readonly clientUri: string
  readonly name: string
  readonly redirectUris: readonly string[]
  readonly links: readonly { readonly title: string; readonly uri: string }[]
}

/**
 * The part of a registration that is understood, checked (Client-Server API, "Client metadata", "Redirect URI validation"). Pages
 * of this homeserver's own origin, `own`, may be clients even where that is not HTTPS. Throws {@link OAuthError}.
 */
export function checkedMetadata(raw: JsonObject, own: string): JsonObject {
  const result = v.safeParse(registration, raw, { abortEarly: true })
  if (!result.success) throw invalid(`${v.getDotPath(result.issues[0]) ?? 'metadata'}: ${result.issues[0].message}`)
  const { client_uri, client_name, logo_uri, tos_uri, policy_uri, redirect_uris = [], application_type = 'web' } = result.output
  const client = URL.parse(client_uri)
  if (!client || !isWeb(client, client, own)) throw invalid('client_uri is not an HTTPS URL')
  const links = Object.entries({ logo_uri, tos_uri, policy_uri }).flatMap(([name, link]) =>
    link === undefined ? [] : [[name, link] as const],
  )
  for (const [name, link] of links) {
    const url = URL.parse(link)
    if (!url || !isWeb(url, client, own)) throw invalid(`${name} is not an HTTPS URL below client_uri`)
  }
  const method = result.output.token_endpoint_auth_method ?? 'none'
  if (method !== 'none') throw invalid('Clients here have no secrets: token_endpoint_auth_method is none')
  const wanted = result.output.grant_types ?? ['authorization_code']
  if (wanted.includes('authorization_code') && redirect_uris.length === 0 && !wanted.includes(deviceCodeGrant)) {
    throw new OAuthError('invalid_redirect_uri', 'redirect_uris is missing')
  }
  const wrong = redirect_uris.find((redirect) => !isRedirect(redirect, { client, own, isNative: application_type === 'native' }))
  if (wrong !== undefined) throw new OAuthError('invalid_redirect_uri', `${wrong} may not be a redirect URI of this client`)
  return {
    client_uri,
    ...(client_name === undefined ? {} : { client_name }),
    ...Object.fromEntries(links),
    redirect_uris,
    response_types: (result.output.response_types ?? ['code']).filter((type) => type === 'code'),
    grant_types: wanted.filter((type) => grantTypes.includes(type)),
    token_endpoint_auth_method: 'none',
    application_type,
  }
}

/** A client by what it registered. */
export function clientOf(metadata: JsonObject): OAuthClient {
  const text = (name: string) => (typeof metadata[name] === 'string' ? metadata[name] : undefined)
  const clientUri = text('client_uri') ?? ''
  const titles = { tos_uri: 'Terms of service', policy_uri: 'Privacy policy' }
  return {
    clientUri,
    name: text('client_name') ?? URL.parse(clientUri)?.host ?? clientUri,
    redirectUris: Array.isArray(metadata.redirect_uris) ? metadata.redirect_uris.map(String) : [],
    links: Object.entries(titles).flatMap(([name, title]) => {
      const link = text(name)
      return link === undefined ? [] : [{ title, uri: link }]
    }),
  }
}

/** Whether a client may be answered at this URI: one that it registered; on the loopback interface, at any port. */
export function isRegisteredRedirect({ redirectUris }: OAuthClient, given: string): boolean {
  const portless = given.replace(loopbackUri, '$1')
  return redirectUris.some((registered) => registered === given || (loopbackUri.test(registered) && registered === portless))
}

interface RedirectRules {
  readonly client: URL
  readonly own: string
  readonly isNative: boolean
}

function isRedirect(redirect: string, { client, own, isNative }: RedirectRules): boolean {
  const url = URL.parse(redirect)
  if (!url || redirect.includes('#')) return false
  if (isWeb(url, client, own)) return true
  if (!isNative) return false
  const isLoopback = loopbackUri.test(redirect) && redirect.replace(loopbackUri, '$1') === redirect
  const scheme = client.hostname.split('.').reverse().join('.')
  const isPrivate = url.protocol === `${scheme}:` || url.protocol.startsWith(`${scheme}.`)
  return isLoopback || (isPrivate && !/^[^:]*:\/\//.test(redirect))
}

function isWeb(url: URL, client: URL, own: string): boolean {
  const isOnHost = url.hostname === client.hostname || url.hostname.endsWith(`.${client.hostname}`)
  return (url.protocol === 'https:' || url.origin === own) && isOnHost && url.username === '' && url.password === ''
}

function invalid(message: string): OAuthError {
  return new OAuthError('invalid_client_metadata', message)
}
