import { useCallback, useEffect, useState } from 'react'

const lockName = 'yurt-demo-client'
const soonMs = 1_000

/** `waiting` until it is known. */
export type Place = 'waiting' | 'here' | 'elsewhere'

/**
 * Whether this page is the one of the origin that shows the chat: two at once would spoil the encryption's storage. It is
 * as soon as the other one closes; the function takes it away from the other one.
 */
export function useOnlyHere(): [Place, () => void] {
  const [place, setPlace] = useState<Place>('waiting')
  const [attempt, setAttempt] = useState({ steal: false })
  useEffect(() => {
    const { steal } = attempt
    const left = Promise.withResolvers<void>()
    const waiting = new AbortController()
    // A page that was just reloaded may have to wait for its former self.
    const late = setTimeout(() => setPlace('elsewhere'), soonMs)
    const hold = (): Promise<void> => {
      clearTimeout(late)
      setPlace('here')
      return left.promise
    }
    navigator.locks.request(lockName, steal ? { steal } : { signal: waiting.signal }, hold).catch(() => {
      // Either this page is left, or another one took the chat away.
      if (waiting.signal.aborted) return
      setPlace('elsewhere')
      setAttempt({ steal: false })
    })
    return () => {
      clearTimeout(late)
      waiting.abort()
      left.resolve()
    }
  }, [attempt])
  const useHere = useCallback(() => setAttempt({ steal: true }), [])
  return [place, useHere]
}
