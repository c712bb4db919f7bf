import { useEffect, useState } from 'react'
import { type ConfiguredRelay, configuredRelay } from './configured-relay.ts'

/** The relay that the pages come with, once it is known that there is one. */
export function useConfiguredRelay(): ConfiguredRelay | undefined {
  const [relay, setRelay] = useState<ConfiguredRelay>()
  useEffect(() => {
    void configuredRelay().then(setRelay)
  }, [])
  return relay
}
