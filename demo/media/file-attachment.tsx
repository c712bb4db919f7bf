import DownloadIcon from '@vector-im/compound-design-tokens/assets/web/icons/download'
import { Button } from '@vector-im/compound-web'
import { ErrorNote } from '../interface/error-note.tsx'
import { formatBytes } from '../interface/format-bytes.ts'
import { saveFile } from '../interface/save-file.ts'
import { useAction } from '../interface/use-action.ts'
import { useClient } from '../session/client-context.ts'
import type { Attachment } from './attachment.ts'
import { loadAttachment } from './use-blob-url.ts'

/** A file that can be saved. */
export function FileAttachment({ attachment }: { attachment: Attachment }) {
  const client = useClient()
  const save = useAction(async () => {
    saveFile(attachment.name, new Blob([await loadAttachment(client, attachment)], { type: 'application/octet-stream' }))
  })
  const size = attachment.sizeBytes === undefined ? '' : `, ${formatBytes(attachment.sizeBytes)}`
  return (
    <>
      <Button kind="secondary" size="md" Icon={DownloadIcon} disabled={save.isRunning} onClick={() => void save.run()}>
        {`Save ${attachment.name}${size}`}
      </Button>
      <ErrorNote text={save.failure} />
    </>
  )
}
