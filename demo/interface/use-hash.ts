import { useSyncExternalStore } from 'react'

function subscribe(changed: () => void): () => void {
  window.addEventListener('hashchange', changed)
  return () => window.removeEventListener('hashchange', changed)
}

/** The fragment of the page's address, which says what is shown. */
export function useHash(): string {
  return useSyncExternalStore(subscribe, () => location.hash)
}

/** The fragment that shows a room. */
export function roomHash(roomId: string): string {
  return `#/room/${encodeURIComponent(roomId)}`
}

/** The room that a fragment shows. */
export function roomIdOf(hash: string): string | undefined {
  const match = /^#\/room\/([^?]+)$/.exec(hash)
  try {
    return match?.[1] === undefined ? undefined : decodeURIComponent(match[1])
  } catch {
    return undefined
  }
}
