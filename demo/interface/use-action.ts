import { useCallback, useRef, useState } from 'react'
import { messageOf } from './message-of.ts'

/** Something that people start and that takes a while: whether it runs, and how it failed last. */
export interface Action<Parameters extends unknown[]> {
  readonly run: (...parameters: Parameters) => Promise<void>
  readonly isRunning: boolean
  readonly failure: string | undefined
}

/** Runs `perform` once at a time, and keeps the message of its failure. */
export function useAction<Parameters extends unknown[]>(perform: (...parameters: Parameters) => Promise<void>): Action<Parameters> {
  const latest = useRef(perform)
  latest.current = perform
  const isBusy = useRef(false)
  const [isRunning, setRunning] = useState(false)
  const [failure, setFailure] = useState<string>()
  const run = useCallback(async (...parameters: Parameters) => {
    if (isBusy.current) return
    isBusy.current = true
    setRunning(true)
    setFailure(undefined)
    try {
      await latest.current(...parameters)
    } catch (error) {
      setFailure(messageOf(error))
    } finally {
      isBusy.current = false
      setRunning(false)
    }
  }, [])
  return { run, isRunning, failure }
}
