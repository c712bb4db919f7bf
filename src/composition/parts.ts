import type { MediaStore } from '../media/media-store.ts'
import type { HomeserverPorts } from '../ports/homeserver-ports.ts'
import type { Stream } from '../streams/stream.ts'
import type { Federation } from './federation.ts'
import type { Keys } from './keys.ts'
import type { Remotes } from './remotes.ts'
import type { Rooms } from './rooms.ts'
import type { Users } from './users.ts'

/** Everything that the two APIs stand on. */
export interface Parts extends HomeserverPorts {
  readonly stream: Stream
  readonly remotes: Remotes
  readonly rooms: Rooms
  readonly federation: Federation
  readonly keys: Keys
  readonly users: Users
  /** Loaded when it is first needed. */
  readonly media: () => Promise<MediaStore>
}
