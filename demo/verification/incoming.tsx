import { CryptoEvent, VerificationPhase, type VerificationRequest, VerificationRequestEvent } from 'matrix-js-sdk/lib/crypto-api'
import { useCallback, useEffect, useState } from 'react'
import { Dialog } from '../interface/dialog.tsx'
import { shortUserId } from '../interface/short-name.ts'
import { useClient } from '../session/client-context.ts'
import { Comparison } from './comparison.tsx'

/** Asks whether to compare, when somebody else wants to. */
export function IncomingVerification() {
  const client = useClient()
  const [request, setRequest] = useState<VerificationRequest>()
  useEffect(() => {
    const receive = (received: VerificationRequest): void => {
      setRequest((current) => (current && current.phase < VerificationPhase.Done ? current : received))
      // Whoever asks may think better of it before it was answered.
      received.on(VerificationRequestEvent.Change, () => {
        const isOff = received.phase === VerificationPhase.Cancelled && received.cancellingUserId === received.otherUserId
        if (isOff && !received.verifier) setRequest((current) => (current === received ? undefined : current))
      })
    }
    client.on(CryptoEvent.VerificationRequestReceived, receive)
    return () => {
      client.off(CryptoEvent.VerificationRequestReceived, receive)
    }
  }, [client])
  const close = useCallback(() => setRequest(undefined), [])
  if (!request) return null
  const own = request.isSelfVerification
  const name = own ? 'Your other device' : (client.getUser(request.otherUserId)?.displayName ?? shortUserId(request.otherUserId))
  return (
    <Dialog title={own ? 'Verify your other device' : `Verify ${name}`} close={close}>
      <Comparison request={request} name={name} close={close} />
    </Dialog>
  )
}
