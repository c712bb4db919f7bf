import { type MatrixClient, Method } from 'matrix-js-sdk'

const checkEveryMs = 1000
const waitMs = 30_000

/** Room id → session id → whatever the backup holds of it. */
type BackedUp = Readonly<Record<string, { readonly sessions: Readonly<Record<string, unknown>> }>>

/**
 * Waits until the backup has every key of messages that this device has, which it uploads in its own time; half a minute at most.
 * Resolves with the number of keys that would be lost with the device.
 */
export async function keysNotBackedUp(client: MatrixClient): Promise<number> {
  const deadline = Date.now() + waitMs
  for (;;) {
    const missing = await missingKeys(client)
    const version = await client.getCrypto()?.getActiveSessionBackupVersion()
    if (missing === 0 || !version || Date.now() > deadline) return missing
    await new Promise((resolve) => setTimeout(resolve, checkEveryMs))
  }
}

async function missingKeys(client: MatrixClient): Promise<number> {
  const crypto = client.getCrypto()
  if (!crypto) return 0
  const keys = await crypto.exportRoomKeys()
  if (keys.length === 0) return 0
  const version = (await crypto.getKeyBackupInfo())?.version
  if (version === undefined) return keys.length
  const held = client.http.authedRequest<{ rooms: BackedUp }>(Method.Get, '/room_keys/keys', { version })
  // Of a backup that cannot be read, or was deleted meanwhile, nothing is sure to be there.
  const { rooms } = await held.catch((): { rooms: BackedUp } => ({ rooms: {} }))
  return keys.filter(({ room_id: roomId, session_id: sessionId }) => !(sessionId in (rooms[roomId]?.sessions ?? {}))).length
}
