import { QrCodeData } from '@matrix-org/matrix-sdk-crypto-wasm'
import { createClient, OAuth2 } from 'matrix-js-sdk'
import {
  linkNewDeviceByGeneratingQR,
  MSC4108RendezvousSession,
  MSC4108SecureChannel,
  MSC4108SignInWithQR,
  signInByGeneratingQR,
} from 'matrix-js-sdk/lib/rendezvous/index.js'
import { quietLogger } from '../../../demo/session/quiet-logger.ts'
import type { TestClient } from './test-client.ts'

/** What a device is given that another lets in. */
interface LetIn {
  readonly accessToken: string
  readonly deviceId: string
  readonly secrets: Awaited<ReturnType<MSC4108SignInWithQR['shareSecrets']>>['secrets']
}

/** A sign-in that waits for the user, who lets the new device in on a page of the homeserver. */
export interface WaitingSignIn {
  readonly pageUrl: string
  /** The digits that old and new device show, for the user to compare. */
  readonly checkCodes: readonly (string | undefined)[]
  /** Resolves once the user let it in. */
  complete(): Promise<LetIn>
}

const onFailure = (reason: string): never => {
  throw new Error(`the sign-in failed: ${reason}`)
}
const never = new AbortController().signal
const unnamed = () => createClient({ baseUrl: location.origin, logger: quietLogger })

/** The flow of a device that scanned a code; an old one has a client. */
function scan(code: Uint8Array | undefined, client?: TestClient): MSC4108SignInWithQR {
  if (!code) throw new Error('there is no code to scan')
  const { publicKey, rendezvousUrl: url } = QrCodeData.fromBytes(code)
  if (url === undefined) throw new Error('the code names no place to meet')
  const channel = new MSC4108SecureChannel(new MSC4108RendezvousSession({ url, onFailure }), publicKey, onFailure)
  return new MSC4108SignInWithQR(channel, true, client?.sdk, onFailure)
}

/** Signs a new device in with an old one, by a code that one of them shows and the other scans (MSC4108). */
export async function signInByCode(old: TestClient, shownBy: 'old' | 'new'): Promise<WaitingSignIn> {
  const shown =
    shownBy === 'old'
      ? await linkNewDeviceByGeneratingQR(old.sdk, onFailure, never)
      : await signInByGeneratingQR(unnamed(), onFailure, never)
  const scanned = scan(shown.code, shownBy === 'old' ? undefined : old)
  const [oldFlow, newFlow] = shownBy === 'old' ? [shown, scanned] : [scanned, shown]
  await Promise.all([oldFlow.negotiateProtocols(), newFlow.negotiateProtocols()])
  const metadata = await unnamed().getAuthMetadata()
  const clientId = await OAuth2.registerClient(metadata, {
    client_name: 'Another phone',
    client_uri: location.origin,
    application_type: 'native',
    redirect_uris: [`${location.origin}/`],
  })
  const deviceId = `SCANNED${shownBy.toUpperCase()}`
  const [{ verificationUri = '' }] = await Promise.all([
    oldFlow.deviceAuthorizationGrant(),
    newFlow.deviceAuthorizationGrant({ metadata, clientId, deviceId }),
  ])
  return {
    pageUrl: verificationUri,
    checkCodes: [oldFlow.checkCode, newFlow.checkCode],
    complete: async () => {
      const sharing = oldFlow.shareSecrets()
      const tokens = await newFlow.completeLoginOnNewDevice({ clientId })
      if (!tokens) throw new Error('the new device was given no tokens')
      const { secrets } = await newFlow.shareSecrets()
      await Promise.all([sharing, newFlow.close()])
      return { accessToken: tokens.access_token, deviceId, secrets }
    },
  }
}
