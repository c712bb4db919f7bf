import type { HostStatus } from '../../worker/control-api.ts'
import type { RecoveryFile } from '../../worker/identity.ts'
import type { StoredSettings } from '../../worker/stored-settings.ts'

export type { HostStatus, RecoveryFile }

/** A relay as settings name it. */
export type RelayAddress = NonNullable<StoredSettings['relays']>[number]

/** What the new homeserver is to be called. */
export interface IdentityChoice {
  /** Below this relay's domain; without it, the label alone. */
  readonly relayDomain?: string
  /** Whether an identity that was lost here is given up for good. */
  readonly abandonFormer?: boolean
}

export interface CreatedIdentity {
  readonly serverName: string
  readonly recoveryKey: string
}

/** The homeserver refused, or no tab of it answers (503). The message is for people. */
export class ControlError extends Error {
  override name = 'ControlError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** What the homeserver of this origin is and does. Rejects with {@link ControlError}. */
export async function readStatus(): Promise<HostStatus> {
  const status: HostStatus = await answered(await fetch('/_yurt/status'))
  return status
}

/** Gives the homeserver its identity. The recovery key is in this answer and nowhere else. Rejects with {@link ControlError}. */
export async function createIdentity({ relayDomain, abandonFormer }: IdentityChoice): Promise<CreatedIdentity> {
  const { server_name: serverName, recovery_key: recoveryKey }: { server_name: string; recovery_key: string } = await answered(
    await sendJson('POST', '/_yurt/identity', { relay_domain: relayDomain, abandon_former: abandonFormer }),
  )
  return { serverName, recoveryKey }
}

/** What has to be kept besides the recovery key: the wrapped identity. Rejects with {@link ControlError}. */
export async function readRecoveryFile(): Promise<RecoveryFile> {
  const file: RecoveryFile = await answered(await fetch('/_yurt/recovery'))
  return file
}

/** Brings an identity back; answers its server name. Rejects with {@link ControlError}. */
export async function restoreIdentity(file: unknown, recoveryKey: string): Promise<string> {
  const restored: { server_name: string } = await answered(await sendJson('POST', '/_yurt/restore', { file, recovery_key: recoveryKey }))
  return restored.server_name
}

/** Adds relays that the homeserver does not know yet, and renews tokens that are given. Rejects with {@link ControlError}. */
export async function addRelays(relays: readonly RelayAddress[]): Promise<void> {
  if (relays.length === 0) return
  const settings: StoredSettings = await answered(await fetch('/_yurt/settings'))
  const merged = new Map((settings.relays ?? []).map((relay) => [relay.address, relay]))
  for (const relay of relays) merged.set(relay.address, { ...merged.get(relay.address), ...relay })
  await answered(await sendJson('PUT', '/_yurt/settings', { ...settings, relays: [...merged.values()].slice(-16) }))
}

/** Resolves once a relay is connected, or when it is clear that none will be for now. */
export async function relayConnected(): Promise<void> {
  for (const until = Date.now() + 10_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 250))) {
    const connections = await readStatus().then(
      (status) => status.connections,
      () => undefined,
    )
    const isSettled =
      connections?.relays.every(({ state }) => state === 'refused') || connections?.relays.some(({ state }) => state === 'admitted')
    if (isSettled) return
  }
}

function sendJson(method: string, url: string, body: object): Promise<Response> {
  return fetch(url, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}

async function answered(response: Response) {
  const body = await response.json().catch(() => undefined)
  if (response.ok && body !== undefined) return body
  throw new ControlError(response.status, typeof body?.error === 'string' ? body.error : `The homeserver answered ${response.status}`)
}
