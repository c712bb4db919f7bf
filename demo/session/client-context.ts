import type { EmittedEvents, MatrixClient, Room } from 'matrix-js-sdk'
import { createContext, use, useCallback, useMemo, useSyncExternalStore } from 'react'

/** The client of whoever is signed in, for everything below. */
export const ClientContext = createContext<MatrixClient | undefined>(undefined)

/** The client of whoever is signed in. */
export function useClient(): MatrixClient {
  const client = use(ClientContext)
  if (!client) throw new Error('useClient needs a ClientContext')
  return client
}

/** The room with this id, if the client knows it. */
export function useRoom(roomId: string | undefined): Room | undefined {
  const client = useClient()
  return (roomId !== undefined && client.getRoom(roomId)) || undefined
}

/**
 * Renders again when the client emits one of `events`, at most once a frame: its objects change in place. The number
 * changes with them, for the dependencies of effects.
 *
 * @param events the same array at every call
 */
export function useClientEvents(events: readonly EmittedEvents[]): number {
  const client = useClient()
  const store = useMemo(() => changeCounter(client, events), [client, events])
  return useSyncExternalStore(
    store.subscribe,
    useCallback(() => store.version(), [store]),
  )
}

function changeCounter(client: MatrixClient, events: readonly EmittedEvents[]) {
  let version = 0
  return {
    version: () => version,
    subscribe: (changed: () => void): (() => void) => {
      let isDue = false
      const listen = (): void => {
        if (isDue) return
        isDue = true
        // Not a frame of animation: hidden tabs have none, and their title shows what is unread.
        setTimeout(() => {
          isDue = false
          version++
          changed()
        }, 16)
      }
      for (const event of events) client.on(event, listen)
      return () => {
        for (const event of events) client.off(event, listen)
      }
    },
  }
}
