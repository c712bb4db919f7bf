import {
  CryptoEvent,
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  type Verifier,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api'
import type { TestClient } from './test-client.ts'

/** What two people, or one person with two devices, saw when they compared. */
export interface Comparison {
  readonly asker: readonly string[]
  readonly asked: readonly string[]
}

/** Two clients verify each other by comparing emoji; they both say that they match. */
export async function verifyByEmoji(asker: TestClient, asked: TestClient, roomId?: string): Promise<Comparison> {
  const [asking, answering] = await request(asker, asked, roomId)
  const verifier = await asking.startVerification('m.sas.v1')
  const other = await startedVerifier(answering)
  const shown = [sasOf(verifier), sasOf(other)] as const
  const done = [verifier.verify(), other.verify()]
  const [first, second] = await Promise.all(shown)
  await Promise.all([first.confirm(), second.confirm()])
  await Promise.all(done)
  await phase(asking, VerificationPhase.Done)
  await phase(answering, VerificationPhase.Done)
  return { asker: namesOf(first), asked: namesOf(second) }
}

/** One client scans the code that the other shows, whose user confirms. */
export async function verifyByQrCode(shower: TestClient, scanner: TestClient, roomId?: string): Promise<void> {
  const [showing, scanning] = await request(shower, scanner, roomId)
  const code = await showing.generateQRCode()
  if (!code) throw new Error('there is no code to show')
  const scanned = await scanning.scanQRCode(code)
  const done = scanned.verify()
  const verifier = await startedVerifier(showing)
  const confirmed = new Promise<void>((resolve) => {
    verifier.once(VerifierEvent.ShowReciprocateQr, ({ confirm }) => {
      confirm()
      resolve()
    })
  })
  await Promise.all([verifier.verify(), confirmed, done])
  await phase(showing, VerificationPhase.Done)
  await phase(scanning, VerificationPhase.Done)
}

/** Asks for a verification, in a room or between the devices of one user, which the other accepts. */
async function request(asker: TestClient, asked: TestClient, roomId?: string): Promise<[VerificationRequest, VerificationRequest]> {
  const received = new Promise<VerificationRequest>((resolve) => asked.sdk.once(CryptoEvent.VerificationRequestReceived, resolve))
  const asking =
    roomId === undefined
      ? await asker.crypto.requestOwnUserVerification()
      : await asker.crypto.requestVerificationDM(asked.session.userId, roomId)
  const answering = await received
  await answering.accept()
  await phase(asking, VerificationPhase.Ready)
  return [asking, answering]
}

async function phase(request: VerificationRequest, wanted: VerificationPhase): Promise<void> {
  while (request.phase < wanted) await new Promise<void>((resolve) => request.once(VerificationRequestEvent.Change, resolve))
  if (request.phase !== wanted) throw new Error(`the verification is in phase ${request.phase}: ${request.cancellationCode}`)
}

async function startedVerifier(request: VerificationRequest): Promise<Verifier> {
  while (!request.verifier) await new Promise<void>((resolve) => request.once(VerificationRequestEvent.Change, resolve))
  return request.verifier
}

function sasOf(verifier: Verifier): Promise<ShowSasCallbacks> {
  return new Promise((resolve) => verifier.once(VerifierEvent.ShowSas, resolve))
}

function namesOf({ sas }: ShowSasCallbacks): string[] {
  return (sas.emoji ?? []).map(([, name]) => name)
}
