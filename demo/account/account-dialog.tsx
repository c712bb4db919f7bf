import CheckIcon from '@vector-im/compound-design-tokens/assets/web/icons/check'
import CopyIcon from '@vector-im/compound-design-tokens/assets/web/icons/copy'
import DownloadIcon from '@vector-im/compound-design-tokens/assets/web/icons/download'
import { Button } from '@vector-im/compound-web'
import { useState } from 'react'
import { readRecoveryFile } from '../homeserver/control.ts'
import { useHomeserver } from '../homeserver/homeserver-context.ts'
import { Dialog } from '../interface/dialog.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { saveFile } from '../interface/save-file.ts'
import { useAction } from '../interface/use-action.ts'
import { useCopy } from '../interface/use-copy.ts'
import { useClient } from '../session/client-context.ts'
import { ConnectionList } from './connection-list.tsx'
import { SignOut } from './sign-out.tsx'
import { StorageUse } from './storage-use.tsx'

interface AccountDialogProps {
  readonly close: () => void
  readonly signOut: () => Promise<void>
}

/** The homeserver and the account: names, connections, storage, and the way out. */
export function AccountDialog({ close, signOut }: AccountDialogProps) {
  const client = useClient()
  const { status } = useHomeserver()
  const [isCopied, copy] = useCopy()
  const [isLeaving, setLeaving] = useState(false)
  const userId = client.getSafeUserId()
  const save = useAction(async () => {
    saveFile('yurt-recovery.json', new Blob([JSON.stringify(await readRecoveryFile(), undefined, 2)], { type: 'application/json' }))
  })
  return (
    <Dialog title="Your homeserver" close={close}>
      <dl className="facts">
        <dt>Your address</dt>
        <dd className="server-name">{userId}</dd>
        <dt>Server name</dt>
        <dd className="server-name">{status.server_name}</dd>
        <dt>Connections</dt>
        <dd>
          <ConnectionList status={status} />
        </dd>
        <dt>Storage</dt>
        <dd>
          <StorageUse storage={status.storage} />
        </dd>
      </dl>
      <ErrorNote text={save.failure} />
      <div className="buttons">
        <Button kind="secondary" size="md" Icon={isCopied ? CheckIcon : CopyIcon} onClick={() => copy(userId)}>
          {isCopied ? 'Copied' : 'Copy address'}
        </Button>
        <Button kind="secondary" size="md" Icon={DownloadIcon} onClick={() => void save.run()}>
          Save recovery file
        </Button>
        {!isLeaving && (
          <Button kind="tertiary" size="md" destructive onClick={() => setLeaving(true)}>
            Sign out
          </Button>
        )}
      </div>
      {isLeaving && <SignOut signOut={signOut} stay={() => setLeaving(false)} />}
    </Dialog>
  )
}
