import type { EmittedEvents, MatrixClient } from 'matrix-js-sdk'
import { CryptoEvent } from 'matrix-js-sdk/lib/crypto-api'
import { useEffect, useState } from 'react'
import { useClient, useClientEvents } from '../session/client-context.ts'

/** What is known of whether someone is who they seem. */
export interface Trust {
  /** Compared with them, or oneself on a device that is signed. */
  readonly isVerified: boolean
  readonly devices: readonly TrustedDevice[]
}

interface TrustedDevice {
  readonly id: string
  readonly name: string
  /** Signed by its owner, who is verified. */
  readonly isVerified: boolean
}

const changes: readonly EmittedEvents[] = [CryptoEvent.UserTrustStatusChanged, CryptoEvent.DevicesUpdated, CryptoEvent.KeysChanged]

/** How far a user is trusted; `undefined` until that is known. */
export function useTrust(userId: string): Trust | undefined {
  const client = useClient()
  const version = useClientEvents(changes)
  const [trust, setTrust] = useState<Trust>()
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is known changes in place, and the version with it
  useEffect(() => {
    let isCurrent = true
    trustIn(client, userId).then(
      (found) => isCurrent && setTrust(found),
      () => undefined,
    )
    return () => {
      isCurrent = false
    }
  }, [client, userId, version])
  return trust
}

async function trustIn(client: MatrixClient, userId: string): Promise<Trust | undefined> {
  const crypto = client.getCrypto()
  if (!crypto) return undefined
  const [status, found] = await Promise.all([crypto.getUserVerificationStatus(userId), crypto.getUserDeviceInfo([userId], true)])
  const devices = await Promise.all(
    [...(found.get(userId)?.values() ?? [])].map(async ({ deviceId: id, displayName }) => ({
      id,
      name: displayName ?? id,
      isVerified: (await crypto.getDeviceVerificationStatus(userId, id))?.crossSigningVerified ?? false,
    })),
  )
  return { isVerified: status.isCrossSigningVerified(), devices }
}
