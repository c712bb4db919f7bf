import { useEffect, useState } from 'react'
import { type RelayOfPages, relayOfPages } from '../../worker/relay-of-pages.ts'

/** The relay that the pages come with, once it is known that there is one. */
export function useRelayOfPages(): RelayOfPages | undefined {
  const [relay, setRelay] = useState<RelayOfPages>()
  useEffect(() => {
    void relayOfPages().then(setRelay)
  }, [])
  return relay
}
