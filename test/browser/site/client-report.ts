/** What a test hears of a client while things around it are closed, crash and are killed. */
export type ClientReport =
  /** The homeserver acknowledged a message, and named its event. */
  | { readonly type: 'acknowledged'; readonly text: string; readonly eventId: string }
  /** An answer of `/sync` brought these events of rooms, in this order. */
  | {
      readonly type: 'synced'
      readonly name: string
      /** Absent in the answer that a client begins with. */
      readonly since: string | undefined
      readonly next: string
      readonly eventIds: readonly string[]
      /** Whether events were left out of it. */
      readonly limited: boolean
    }
