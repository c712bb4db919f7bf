/** What an answer of `/sync` brought. */
export interface SyncAnswer {
  /** The token it goes on from. Absent in the answer that a client begins with. */
  readonly since: string | undefined
  readonly next: string
  /** The events of rooms, in their order. */
  readonly eventIds: readonly string[]
}

/** What a test hears of a client while things around it are closed, crash and are killed. */
export type ClientReport =
  /** The homeserver acknowledged a message, and named its event. */
  | { readonly type: 'acknowledged'; readonly text: string; readonly eventId: string }
  | ({ readonly type: 'synced'; readonly name: string } & SyncAnswer)
