import * as v from 'valibot'
import { type Call, type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { forbidden, notFound } from '../../spec/errors.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { StoredDevice } from '../../storage/tables/users.ts'
import type { Devices } from '../../users/devices.ts'
import type { InteractiveAuth } from '../../users/interactive-auth.ts'

export interface DevicesDeps {
  readonly devices: Devices
  readonly interactiveAuth: InteractiveAuth
}

type Removal = Call<{ readonly auth?: JsonObject | undefined }, unknown> & { readonly session: Session }

/** A user's own devices (Client-Server API, "Device Management"). */
export function devicesEndpoints({ devices, interactiveAuth }: DevicesDeps): Endpoint[] {
  const remove = async ({ session: { userId }, body: { auth }, keep }: Removal, deviceIds: readonly string[]) => {
    await interactiveAuth.require(auth, { flows: [['m.login.password']], operation: `remove ${deviceIds.join(' ')}`, userId })
    await devices.remove(userId, deviceIds, keep({}))
    return {}
  }
  return [
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/devices',
      handle: async ({ session }) => {
        const all = await devices.list(session.userId)
        return { devices: all.map(({ deviceId, device }) => deviceJson(deviceId, device)) }
      },
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/devices/:deviceId',
      handle: async ({ session, params: { deviceId = '' } }) => {
        const device = await devices.get(session.userId, deviceId)
        if (!device) throw notFound('You have no such device')
        return deviceJson(deviceId, device)
      },
    }),
    forUser({
      method: 'PUT',
      path: '/_matrix/client/v3/devices/:deviceId',
      body: v.looseObject({ display_name: v.optional(v.pipe(v.string(), v.maxLength(255))) }),
      handle: async ({ session, params: { deviceId = '' }, body }) => {
        const known =
          body.display_name === undefined
            ? (await devices.get(session.userId, deviceId)) !== undefined
            : await devices.rename(session.userId, deviceId, body.display_name)
        if (!known) throw notFound('You have no such device')
        return {}
      },
    }),
    forUser({
      method: 'DELETE',
      path: '/_matrix/client/v3/devices/:deviceId',
      body: v.looseObject({ auth: v.optional(jsonObject) }),
      handle: (call) => remove(call, [call.params.deviceId ?? '']),
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/admin/whois/:userId',
      handle: async ({ session, params: { userId = '' } }) => {
        if (!session.admin && session.userId !== userId) throw forbidden('Only administrators may ask about others')
        const all = await devices.list(userId)
        return { user_id: userId, devices: Object.fromEntries(all.map(({ deviceId, device }) => [deviceId, connectionsJson(device)])) }
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/delete_devices',
      body: v.looseObject({ auth: v.optional(jsonObject), devices: v.pipe(v.array(v.string()), v.maxLength(1000)) }),
      handle: (call) => remove(call, call.body.devices),
    }),
  ]
}

function connectionsJson({ lastSeenAddress, lastSeenTs }: StoredDevice): JsonObject {
  return { sessions: [{ connections: [{ ip: lastSeenAddress, last_seen: lastSeenTs }] }] }
}

function deviceJson(deviceId: string, device: StoredDevice): JsonObject {
  return {
    device_id: deviceId,
    ...(device.displayName === undefined ? {} : { display_name: device.displayName }),
    last_seen_ip: device.lastSeenAddress,
    last_seen_ts: device.lastSeenTs,
  }
}
