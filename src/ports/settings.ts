/** A TURN server, and what it asks for. */
export interface TurnServer {
  readonly uris: readonly string[]
  readonly username: string
  readonly password: string
}

/** What whoever runs the homeserver decides. */
export interface Settings {
  /** Grows with every import or restore; part of sync tokens, media ids and device-list stream ids. */
  readonly incarnation: number
  /** Registration without a token is open to anyone who can reach the API, not only to the page itself. */
  readonly openRegistration: boolean
  /** Whoever may register may also be a guest: without a password, and with few rights. */
  readonly guests?: boolean
  readonly rateLimits: boolean
  /** Opens `/_synapse/admin/v1/register` to whoever knows it. */
  readonly sharedSecret?: string
  /** The TURN server that calls may go through, for users of this homeserver. */
  readonly turn?: TurnServer
  /** Upload limit in bytes. */
  readonly maxUploadBytes: number
  /** How much media one user may keep here, in bytes. */
  readonly maxUserMediaBytes?: number
}
