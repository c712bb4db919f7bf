import { Progress } from '@vector-im/compound-web'
import type { HostStatus } from '../homeserver/control.ts'
import { formatBytes } from '../interface/format-bytes.ts'

/** How much of the browser's storage is used, and whether the browser may delete it. */
export function StorageUse({ storage }: { storage: HostStatus['storage'] }) {
  const { usage_bytes: used, quota_bytes: quota, media_bytes: media, persisted } = storage
  return (
    <>
      {used !== undefined && quota !== undefined && (
        <Progress size="sm" tint={used > quota * 0.9 ? 'red' : 'green'} value={used} max={quota} aria-label="Storage used" />
      )}
      <p>
        {used === undefined ? 'The browser does not say how much is used.' : `${formatBytes(used)} used`}
        {quota === undefined ? '' : ` of ${formatBytes(quota)}`}
        {`, ${formatBytes(media)} of it media`}
      </p>
      <p className="hint">
        {persisted
          ? 'The browser has promised to keep it.'
          : 'The browser may delete it when space runs short: keep your recovery key and recovery file elsewhere.'}
      </p>
    </>
  )
}
