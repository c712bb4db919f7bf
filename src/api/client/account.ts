import * as v from 'valibot'
import { type Call, type Endpoint, forAnyone, forUser, type Session } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { forbidden, MatrixError } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { Accounts } from '../../users/accounts.ts'
import type { Devices } from '../../users/devices.ts'
import type { InteractiveAuth } from '../../users/interactive-auth.ts'

export interface AccountDeps {
  readonly accounts: Accounts
  readonly devices: Devices
  readonly interactiveAuth: InteractiveAuth
  /** Makes a user leave every room, before the account is closed. */
  readonly leaveRooms: (userId: UserId) => Promise<void>
}

type Proof = Call<{ readonly auth?: JsonObject | undefined }, unknown> & { readonly session: Session | undefined }

/** The account itself: whose it is, its password, its end. There are no third-party identifiers. */
export function accountEndpoints(deps: AccountDeps): Endpoint[] {
  /** The user whose password the request proves: the one logged in, or without a token whoever's it is. */
  const proven = async ({ body, session }: Proof, operation: string): Promise<UserId> => {
    const whose = session === undefined ? {} : { userId: session.userId }
    const { userId } = await deps.interactiveAuth.require(body.auth, { flows: [['m.login.password']], operation, ...whose })
    if (userId === undefined) throw forbidden('The password was not given')
    return userId
  }
  return [
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/account/whoami',
      handle: ({ session }) => ({ user_id: session.userId, device_id: session.deviceId, is_guest: session.guest }),
    }),
    forAnyone({
      method: 'POST',
      path: '/_matrix/client/v3/account/password',
      body: v.looseObject({ auth: v.optional(jsonObject), new_password: v.string(), logout_devices: v.optional(v.boolean()) }),
      handle: async (call) => {
        const userId = await proven(call, 'password')
        const kept = call.session === undefined ? {} : { keptDeviceId: call.session.deviceId }
        if (call.body.logout_devices ?? true) await deps.devices.removeAll(userId, kept)
        await deps.accounts.setPassword(userId, call.body.new_password, call.keep({}))
        return {}
      },
    }),
    forAnyone({
      method: 'POST',
      path: '/_matrix/client/v3/account/deactivate',
      body: v.looseObject({ auth: v.optional(jsonObject), erase: v.optional(v.boolean()), id_server: v.optional(v.string()) }),
      handle: async (call) => {
        const userId = await proven(call, 'deactivate')
        await deps.leaveRooms(userId)
        const answer = { id_server_unbind_result: 'success' }
        await deps.devices.deactivate(userId, call.body.erase ?? false, call.keep(answer))
        return answer
      },
    }),
    forUser({ method: 'GET', path: '/_matrix/client/v3/account/3pid', handle: () => ({ threepids: [] }) }),
    ...withoutThirdPartyIdentifiers(),
  ]
}

function withoutThirdPartyIdentifiers(): Endpoint[] {
  const refuse = (path: string, errcode: string): Endpoint =>
    forAnyone({
      method: 'POST',
      path: [`/_matrix/client/v3/account/${path}/email/requestToken`, `/_matrix/client/v3/account/${path}/msisdn/requestToken`],
      body: v.looseObject({}),
      handle: () => {
        throw new MatrixError(400, errcode, { message: 'Accounts here have no e-mail addresses or phone numbers' })
      },
    })
  const change = forUser({
    method: 'POST',
    path: ['', '/add', '/bind', '/delete'].map((action) => `/_matrix/client/v3/account/3pid${action}`),
    body: v.looseObject({}),
    handle: () => {
      throw forbidden('Accounts here have no e-mail addresses or phone numbers')
    },
  })
  // Whether one is bound at an identity server is known there alone.
  const unbind = forUser({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/unbind',
    body: v.looseObject({ medium: v.picklist(['email', 'msisdn']), address: v.string() }),
    handle: () => ({ id_server_unbind_result: 'no-support' }),
  })
  return [refuse('password', 'M_THREEPID_NOT_FOUND'), refuse('3pid', 'M_THREEPID_MEDIUM_NOT_SUPPORTED'), change, unbind]
}
