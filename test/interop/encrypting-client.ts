import { ClientEvent, createClient, type MatrixClient, SyncState } from 'matrix-js-sdk'
import { type Client, eventually } from './matrix-client.ts'

/** A user's client with encryption, synced. Whoever opens it stops it. */
export async function openEncrypting(
  { userId, deviceId, token: accessToken }: Client,
  at: { baseUrl: string; fetchFn?: typeof fetch },
): Promise<MatrixClient> {
  const client = createClient({ ...at, userId, deviceId, accessToken })
  await client.initRustCrypto({ useIndexedDB: false })
  const synced = new Promise<void>((resolve) => client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve()))
  await client.startClient({ initialSyncLimit: 20, lazyLoadMembers: true })
  await synced
  return client
}

/** Waits until what the client knows is so. */
export async function holds(what: string, check: () => boolean | undefined): Promise<void> {
  await eventually(async () => {
    if (!check()) throw new Error(`waited in vain: ${what}`)
  })
}

/** Waits until the client has decrypted this text in the room. */
export async function reads(client: MatrixClient, roomId: string, text: string): Promise<void> {
  await holds(`${client.getUserId()} reads ${text}`, () =>
    client
      .getRoom(roomId)
      ?.getLiveTimeline()
      .getEvents()
      .some((event) => event.isEncrypted() && event.getContent().body === text),
  )
}
