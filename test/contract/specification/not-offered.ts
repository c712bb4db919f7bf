/** How an operation that is not offered is answered, and why it is not. */
export interface NotOffered {
  /** `404 M_UNRECOGNIZED` */
  readonly answer: string
  readonly reason: string
}

type Table = Readonly<Record<string, NotOffered>>

const noEndpoint = (reason: string): NotOffered => ({ answer: '404 M_UNRECOGNIZED', reason })
const refused = (answer: string, reason: string): NotOffered => ({ answer, reason })

const noThirdPartyIds = refused(
  '403 M_FORBIDDEN',
  'accounts have no e-mail addresses or phone numbers; the capability m.3pid_changes says so',
)
const noBridges = 'there are no bridges to other networks'
const noAddresses = 'accounts have no e-mail addresses or phone numbers'
const noSingleSignOn = noEndpoint('there is no single sign-on')
const noApplicationServices = noEndpoint('there are no application services')

/**
 * Operations of the Client-Server API that are not offered. An operation moves out of here when it is served: add a row for its
 * endpoint to test/contract/endpoints/ then.
 */
const clientServer: Table = {
  'GET /.well-known/matrix/policy_server': noEndpoint('this is no policy server'),
  'POST /_matrix/client/v3/rooms/{roomId}/invite (inviteBy3PID)': refused('400 M_THREEPID_DENIED', 'no identity server is spoken to'),
  'GET /_matrix/client/v3/login/sso/redirect': noSingleSignOn,
  'GET /_matrix/client/v3/login/sso/redirect/{idpId}': noSingleSignOn,
  'GET /_matrix/client/v3/thirdparty/protocol/{protocol}': refused('404 M_NOT_FOUND', noBridges),
  'GET /_matrix/client/v3/thirdparty/location': refused('404 M_NOT_FOUND', noBridges),
  'GET /_matrix/client/v3/thirdparty/location/{protocol}': refused('404 M_NOT_FOUND', noBridges),
  'GET /_matrix/client/v3/thirdparty/user': refused('404 M_NOT_FOUND', noBridges),
  'GET /_matrix/client/v3/thirdparty/user/{protocol}': refused('404 M_NOT_FOUND', noBridges),
  'POST /_matrix/client/v1/appservice/{appserviceId}/ping': noApplicationServices,
  'PUT /_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}': noApplicationServices,
  'POST /_matrix/client/v3/account/3pid': noThirdPartyIds,
  'POST /_matrix/client/v3/account/3pid/add': noThirdPartyIds,
  'POST /_matrix/client/v3/account/3pid/bind': noThirdPartyIds,
  'POST /_matrix/client/v3/account/3pid/delete': noThirdPartyIds,
  'POST /_matrix/client/v3/account/3pid/email/requestToken': refused('400 M_THREEPID_MEDIUM_NOT_SUPPORTED', noAddresses),
  'POST /_matrix/client/v3/account/3pid/msisdn/requestToken': refused('400 M_THREEPID_MEDIUM_NOT_SUPPORTED', noAddresses),
  'POST /_matrix/client/v3/account/password/email/requestToken': refused('400 M_THREEPID_NOT_FOUND', noAddresses),
  'POST /_matrix/client/v3/account/password/msisdn/requestToken': refused('400 M_THREEPID_NOT_FOUND', noAddresses),
  'POST /_matrix/client/v3/register/email/requestToken': refused('403 M_THREEPID_DENIED', noAddresses),
  'POST /_matrix/client/v3/register/msisdn/requestToken': refused('403 M_THREEPID_DENIED', noAddresses),
}

const noIdentityServer = noEndpoint('no identity server is spoken to')

/** Operations of the Server-Server API that are not offered. */
const serverServer: Table = {
  'GET /.well-known/matrix/server': noEndpoint('the relay answers it'),
  'GET /_matrix/federation/v1/query/{queryType}': noEndpoint('stands for the queries that have entries of their own'),
  'PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}': noIdentityServer,
  'PUT /_matrix/federation/v1/3pid/onbind': noIdentityServer,
  'POST /_matrix/policy/v1/sign': noEndpoint('this is no policy server'),
}

export const notOffered = { 'client-server': clientServer, 'server-server': serverServer }
