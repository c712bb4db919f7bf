import OfflineIcon from '@vector-im/compound-design-tokens/assets/web/icons/offline'
import WarningIcon from '@vector-im/compound-design-tokens/assets/web/icons/warning'
import { type ReactNode, useSyncExternalStore } from 'react'
import { useHomeserver } from './homeserver-context.ts'

function subscribe(changed: () => void): () => void {
  for (const event of ['online', 'offline']) window.addEventListener(event, changed)
  return () => {
    for (const event of ['online', 'offline']) window.removeEventListener(event, changed)
  }
}

/** Says when something is not as usual: no network, or no homeserver. */
export function StatusBanner() {
  const { status, problem } = useHomeserver()
  const isOnline = useSyncExternalStore(subscribe, () => navigator.onLine)
  const { usage_bytes: usage = 0, quota_bytes: quota = 0 } = status.storage
  return (
    <div role="status" className="banners">
      {problem !== undefined && <Banner icon={<WarningIcon aria-hidden />}>{`Your homeserver is not answering: ${problem}`}</Banner>}
      {!isOnline && (
        <Banner icon={<OfflineIcon aria-hidden />}>
          You are offline. Your homeserver works on; messages to others wait until you are back.
        </Banner>
      )}
      {quota > 0 && usage > quota * 0.9 && (
        <Banner icon={<WarningIcon aria-hidden />}>
          The browser’s storage is almost full: your homeserver may soon refuse new messages.
        </Banner>
      )}
    </div>
  )
}

function Banner({ icon, children }: { icon: ReactNode; children: string }) {
  return (
    <p className="banner">
      {icon}
      {children}
    </p>
  )
}
