import { ClientEvent, createClient, HttpApiEvent, type MatrixClient, SyncState } from 'matrix-js-sdk'
import { quietLogger } from './quiet-logger.ts'
import type { RecoverySecrets } from './recovery-secrets.ts'
import { type StoredSession, saveSession } from './stored-session.ts'
import { refreshingFetch } from './token-refresh.ts'

interface StartOptions {
  /** Typed in a moment ago, or made: what opens secret storage. */
  readonly secrets: RecoverySecrets | undefined
  /** Called when the homeserver no longer knows the session. */
  readonly loggedOut: () => void
}

/** The SDK's client with encryption ready and its first sync done. */
export async function startMatrixClient(session: StoredSession, { secrets, loggedOut }: StartOptions): Promise<MatrixClient> {
  const client = createClient({
    baseUrl: location.origin,
    userId: session.userId,
    deviceId: session.deviceId,
    accessToken: session.accessToken,
    fetchFn: refreshingFetch(session, saveSession),
    disableVoip: true,
    logger: quietLogger,
    cryptoCallbacks: secrets ? { getSecretStorageKey: async ({ keys }) => keyFor(keys, secrets) } : {},
  })
  client.on(HttpApiEvent.SessionLoggedOut, loggedOut)
  await client.initRustCrypto({ cryptoDatabasePrefix: cryptoPrefix(session) })
  const synced = firstSync(client)
  await client.startClient({ initialSyncLimit: 30, lazyLoadMembers: true })
  await synced
  if (secrets) await setUpTrust(client, secrets).catch((error: unknown) => console.warn('Cross-signing and backup are not set up', error))
  return client
}

/** Ends the session here and at the homeserver, and deletes this device's keys. */
export async function endMatrixSession(client: MatrixClient, session: StoredSession): Promise<void> {
  await client.logout(true).catch(() => undefined)
  client.stopClient()
  await client.clearStores({ cryptoDatabasePrefix: cryptoPrefix(session) })
}

function cryptoPrefix({ deviceId }: StoredSession): string {
  return `yurt-crypto-${deviceId}`
}

function firstSync(client: MatrixClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const listen = (state: SyncState, _before: SyncState | null, data?: { error?: Error }): void => {
      if (state === SyncState.Prepared || state === SyncState.Syncing) resolve()
      else if (state === SyncState.Stopped) reject(data?.error ?? new Error('The session ended'))
      else return
      client.off(ClientEvent.Sync, listen)
    }
    client.on(ClientEvent.Sync, listen)
  })
}

function keyFor(keys: Record<string, unknown>, { secretStorageKey }: RecoverySecrets): [string, Uint8Array<ArrayBuffer>] | null {
  const [id] = Object.keys(keys)
  return id === undefined ? null : [id, secretStorageKey]
}

/**
 * Cross-signs this device and keeps the backup of message keys: made anew for a new account, taken from secret storage when
 * an account is signed in to again.
 */
async function setUpTrust(client: MatrixClient, { password, secretStorageKey }: RecoverySecrets): Promise<void> {
  const crypto = client.getCrypto()
  if (!crypto) return
  const user = client.getSafeUserId()
  // The public keys come first: private ones that do not belong to them are refused.
  await crypto.userHasCrossSigningKeys(user, true)
  await crypto.bootstrapCrossSigning({
    authUploadDeviceSigningKeys: async (upload) => {
      await upload({ type: 'm.login.password', identifier: { type: 'm.id.user', user }, password })
    },
  })
  const hasBackup = (await crypto.getKeyBackupInfo()) !== null
  await crypto.bootstrapSecretStorage({
    createSecretStorageKey: async () => ({ privateKey: secretStorageKey }),
    setupNewKeyBackup: !hasBackup,
  })
  // An earlier device's backup may not count as active before its key is here: the key comes first.
  if (hasBackup && (await crypto.getSessionBackupPrivateKey()) === null) await crypto.loadSessionBackupPrivateKeyFromSecretStorage()
  await crypto.checkKeyBackupAndEnable()
  await crypto.restoreKeyBackup()
}
