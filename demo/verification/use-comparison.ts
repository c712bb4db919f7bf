import {
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api'
import { useEffect, useReducer, useState } from 'react'

/** Goes through a verification by emoji as far as it goes without people; resolves with what is to be compared, once it is there. */
export function useComparison(request: VerificationRequest): {
  readonly phase: VerificationPhase
  readonly sas: ShowSasCallbacks | undefined
} {
  const [, changed] = useReducer((count: number) => count + 1, 0)
  const [sas, setSas] = useState<ShowSasCallbacks>()
  const { phase, verifier } = request
  useEffect(() => {
    request.on(VerificationRequestEvent.Change, changed)
    return () => {
      request.off(VerificationRequestEvent.Change, changed)
    }
  }, [request])
  useEffect(() => {
    // Both may begin: who asked does.
    if (phase === VerificationPhase.Ready && request.initiatedByMe) request.startVerification('m.sas.v1').catch(() => request.cancel())
  }, [phase, request])
  useEffect(() => {
    if (!verifier) return undefined
    const show = (shown: ShowSasCallbacks): void => setSas(shown)
    verifier.on(VerifierEvent.ShowSas, show)
    const shown = verifier.getShowSasCallbacks()
    if (shown) setSas(shown)
    // How it ends, the phase says.
    verifier.verify().catch(() => undefined)
    return () => {
      verifier.off(VerifierEvent.ShowSas, show)
    }
  }, [verifier])
  return { phase, sas }
}
