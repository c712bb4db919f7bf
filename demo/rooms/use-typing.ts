import { useCallback, useEffect, useRef } from 'react'
import { useClient } from '../session/client-context.ts'

const lastsMs = 20_000
const againMs = 10_000

/** Tells a room whether someone is writing in it: at most every ten seconds, and at once when that ends. */
export function useTyping(roomId: string): (isTyping: boolean) => void {
  const client = useClient()
  const toldAt = useRef(0)
  const tell = useCallback(
    (isTyping: boolean) => {
      const now = Date.now()
      if (isTyping ? now - toldAt.current < againMs : toldAt.current === 0) return
      toldAt.current = isTyping ? now : 0
      client.sendTyping(roomId, isTyping, lastsMs).catch(() => undefined)
    },
    [client, roomId],
  )
  useEffect(() => () => tell(false), [tell])
  return tell
}
