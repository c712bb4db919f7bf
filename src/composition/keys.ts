import { DeviceKeys } from '../keys/device-keys.ts'
import { DeviceLists } from '../keys/device-lists.ts'
import { OneTimeKeys } from '../keys/one-time-keys.ts'
import { RemoteDeviceLists } from '../keys/remote-device-lists.ts'
import { ToDevice } from '../keys/to-device.ts'
import type { HomeserverPorts } from '../ports/homeserver-ports.ts'
import type { RoomMembers } from '../ports/room-members.ts'
import type { Stream } from '../streams/stream.ts'
import type { Federation } from './federation.ts'
import type { Remotes } from './remotes.ts'

/** What end-to-end encryption needs of a server. */
export function composeKeys(
  ports: HomeserverPorts & {
    readonly stream: Stream
    readonly remotes: Remotes
    readonly federation: Federation
    readonly members: RoomMembers
  },
) {
  const { serverName } = ports.signer
  const { incarnation } = ports.settings
  const wake = (servers: Iterable<string>) => ports.federation.sender.wake(servers)
  const shared = { ...ports, serverName, incarnation, wake }
  const oneTimeKeys = new OneTimeKeys(shared)
  const deviceLists = new DeviceLists({ ...shared, oneTimeKeys })
  const remoteDeviceLists = new RemoteDeviceLists({ ...shared, deviceLists })
  const deviceKeys = new DeviceKeys({ ...shared, deviceLists })
  return {
    oneTimeKeys,
    deviceLists,
    deviceChanges: deviceLists,
    remoteDeviceLists,
    deviceKeys,
    toDevice: new ToDevice(shared),
  }
}

export type Keys = ReturnType<typeof composeKeys>
