import { useEffect, useState } from 'react'
import { messageOf } from '../interface/message-of.ts'
import { controlledByServiceWorker } from './register-service-worker.ts'

/** Whether a service worker answers this page by now, or why none ever will. */
export function useServiceWorker(): [boolean, string | undefined] {
  const [ready, setReady] = useState(false)
  const [failure, setFailure] = useState<string>()
  useEffect(() => {
    controlledByServiceWorker().then(
      () => setReady(true),
      (error: unknown) => setFailure(messageOf(error)),
    )
  }, [])
  return [ready, failure]
}
