import { Text } from '@vector-im/compound-web'
import { use, useEffect } from 'react'
import { HomeserverContext } from '../homeserver/homeserver-context.ts'
import { joinText } from './join-text.ts'

const everyMs = 500

/** How far the join of a room has come: of a big one there is a lot to check and to keep. */
export function JoinNote() {
  const { observed, refresh } = use(HomeserverContext) ?? {}
  useEffect(() => {
    const timer = setInterval(() => void refresh?.(), everyMs)
    return () => clearInterval(timer)
  }, [refresh])
  const text = joinText(observed?.status?.joins ?? [])
  return text === undefined ? null : (
    <Text as="p" role="status">
      {text}
    </Text>
  )
}
