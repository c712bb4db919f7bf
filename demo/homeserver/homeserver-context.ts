import { createContext, use, useState, useSyncExternalStore } from 'react'
import type { HostStatus } from './control.ts'
import { HomeserverMonitor, type Observed } from './monitor.ts'

interface Watched {
  readonly observed: Observed
  readonly refresh: () => Promise<void>
}

/** The homeserver as the page sees it, for everything below. */
export const HomeserverContext = createContext<Watched | undefined>(undefined)

/** Watches the homeserver as long as the component is shown. */
export function useHomeserverMonitor(): Watched {
  const [monitor] = useState(() => new HomeserverMonitor())
  const observed = useSyncExternalStore(monitor.subscribe, monitor.observed)
  return { observed, refresh: monitor.refresh }
}

/** What the homeserver said of itself last, and `problem` while it does not answer. */
export function useHomeserver(): { readonly status: HostStatus; readonly problem: string | undefined } {
  const { status, problem } = use(HomeserverContext)?.observed ?? {}
  if (!status) throw new Error('useHomeserver needs a HomeserverContext with a status')
  return { status, problem }
}
