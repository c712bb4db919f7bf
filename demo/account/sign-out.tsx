import { Button } from '@vector-im/compound-web'
import { useState } from 'react'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { useClient } from '../session/client-context.ts'
import { keysNotBackedUp } from '../session/key-backup.ts'

/** The last question before signing out, and the wait until no message's key would be lost by it. */
export function SignOut({ signOut, stay }: { signOut: () => Promise<void>; stay: () => void }) {
  const client = useClient()
  const [missing, setMissing] = useState(0)
  const leave = useAction(async (anyway: boolean) => {
    const lost = anyway ? 0 : await keysNotBackedUp(client)
    setMissing(lost)
    if (lost === 0) await signOut()
  })
  return (
    <div className="aside">
      <p>Signing in again takes your recovery key: without it, your encrypted messages cannot be read any more. Do you have it?</p>
      <p role="status">
        {leave.isRunning
          ? 'Putting the keys of your messages into their backup…'
          : missing > 0 && 'Some messages could not be read any more: their keys are not in the backup yet.'}
      </p>
      <ErrorNote text={leave.failure} />
      <div className="buttons">
        <Button size="md" destructive disabled={leave.isRunning} onClick={() => void leave.run(missing > 0)}>
          {missing > 0 ? 'Sign out anyway' : 'I have it: sign out'}
        </Button>
        <Button size="md" kind="secondary" onClick={stay}>
          Stay signed in
        </Button>
      </div>
    </div>
  )
}
