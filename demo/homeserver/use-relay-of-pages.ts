import { useEffect } from 'react'
import { configuredRelay } from './configured-relay.ts'
import { addRelays } from './control.ts'

/** Tells the homeserver at each start which relay the pages come with: its address and token may have changed. */
export function useRelayOfPages(): void {
  useEffect(() => {
    void configuredRelay()
      .then((relay) => relay && addRelays([{ address: relay.address, ...(relay.token === undefined ? {} : { token: relay.token }) }]))
      .catch(() => undefined)
  }, [])
}
