import type { JsonValue } from '../../../src/spec/json.ts'

/** A user of the homeserver, logged in on one device. */
export interface Person {
  readonly name: string
  readonly userId: string
  readonly deviceId: string
  readonly token: string
}

/** A request on a route: who makes it, and what is in it. */
export interface Sample {
  /** Alice unless told; `nobody` sends no token. */
  readonly as?: Person | 'nobody'
  /** What stands for the parameters of the route's path. */
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: JsonValue | Uint8Array<ArrayBuffer>
  readonly headers?: Readonly<Record<string, string>>
}
