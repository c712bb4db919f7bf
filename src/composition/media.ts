import { RemoteMedia } from '../federation/remote-media.ts'
import { MediaStore } from '../media/media-store.ts'
import type { HomeserverPorts } from '../ports/homeserver-ports.ts'
import type { Remotes } from './remotes.ts'

/** Where media is kept. */
export function composeMedia(ports: HomeserverPorts & { readonly remotes: Remotes }): MediaStore {
  const { settings, signer, remotes } = ports
  return new MediaStore({
    ...ports,
    serverName: signer.serverName,
    remote: new RemoteMedia(remotes.client),
    maxBytes: settings.maxUploadBytes,
    maxUserBytes: settings.maxUserMediaBytes,
    incarnation: settings.incarnation,
  })
}
