import { existsSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { isServed, openApiOf, operationsOf } from './openapi-operations.ts'

const specification = openApiOf('client-server')

/** What the specification has and we do not serve, and why. */
const notServed: Readonly<Record<string, string>> = {
  'GET /.well-known/matrix/policy_server': 'we are no policy server',
  'GET /.well-known/matrix/support': 'whoever runs a homeserver in a tab uses it',
  'GET /_matrix/client/v1/admin/lock/{userId}': 'optional by the capability m.account_moderation',
  'GET /_matrix/client/v1/admin/suspend/{userId}': 'optional by the capability m.account_moderation',
  'GET /_matrix/client/v1/auth_metadata': 'there is the legacy authentication API alone: this is how clients learn it',
  'GET /_matrix/client/v1/media/preview_url': 'a browser may not fetch other pages',
  'GET /_matrix/client/v3/events': 'deprecated: replaced by /sync',
  'GET /_matrix/client/v3/events/{eventId}': 'deprecated: replaced by /rooms/{roomId}/event/{eventId}',
  'GET /_matrix/client/v3/initialSync': 'deprecated: replaced by /sync',
  'GET /_matrix/client/v3/login/sso/redirect': 'there is no single sign-on',
  'GET /_matrix/client/v3/login/sso/redirect/{idpId}': 'there is no single sign-on',
  'GET /_matrix/client/v3/rooms/{roomId}/initialSync': 'for previews by polling, which /sync and /messages replace',
  'GET /_matrix/media/v3/config': 'deprecated: replaced by /client/v1/media/config',
  'GET /_matrix/media/v3/download/{serverName}/{mediaId}': 'media is for users who are logged in alone',
  'GET /_matrix/media/v3/download/{serverName}/{mediaId}/{fileName}': 'media is for users who are logged in alone',
  'GET /_matrix/media/v3/preview_url': 'a browser may not fetch other pages',
  'GET /_matrix/media/v3/thumbnail/{serverName}/{mediaId}': 'media is for users who are logged in alone',
  'POST /_matrix/client/v1/appservice/{appserviceId}/ping': 'there are no application services',
  'POST /_matrix/client/v1/login/get_token': 'optional by the capability m.get_login_token',
  'POST /_matrix/client/v3/account/3pid': 'optional by the capability m.3pid_changes',
  'POST /_matrix/client/v3/account/3pid/add': 'optional by the capability m.3pid_changes',
  'POST /_matrix/client/v3/account/3pid/bind': 'optional by the capability m.3pid_changes',
  'POST /_matrix/client/v3/account/3pid/delete': 'optional by the capability m.3pid_changes',
  'POST /_matrix/client/v3/account/3pid/unbind': 'optional by the capability m.3pid_changes',
  'PUT /_matrix/client/v1/admin/lock/{userId}': 'optional by the capability m.account_moderation',
  'PUT /_matrix/client/v1/admin/suspend/{userId}': 'optional by the capability m.account_moderation',
  'PUT /_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}': 'there are no application services',
}

const network = new InProcessNetwork()
let server: InProcessHomeserver

beforeAll(async () => {
  server = await network.start('home.example')
})

afterAll(() => network.stop())

beforeEach(({ skip }) => skip(!existsSync(specification), 'the Matrix OpenAPI is not at ../shared/spec'))

test('every operation of the Client-Server API is served, but for a few with a reason', async () => {
  const all = [...new Set(operationsOf(specification))]
  expect(all.length).toBeGreaterThan(150)
  const missing: string[] = []
  for (const operation of all) if (!(await isServed(server.homeserver.handleClient, operation))) missing.push(operation)
  expect(missing).toEqual(Object.keys(notServed).sort())
})
