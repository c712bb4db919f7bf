import LeaveIcon from '@vector-im/compound-design-tokens/assets/web/icons/leave'
import { Button, Text } from '@vector-im/compound-web'
import type { Room } from 'matrix-js-sdk'
import { useState } from 'react'
import { Dialog } from '../interface/dialog.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { useClient } from '../session/client-context.ts'

/** Leaves the room, after asking. */
export function LeaveRoom({ room }: { room: Room }) {
  const client = useClient()
  const [isAsking, setAsking] = useState(false)
  const leave = useAction(async () => {
    await client.leave(room.roomId)
    location.hash = '#/'
  })
  return (
    <>
      <Button kind="tertiary" size="md" destructive Icon={LeaveIcon} onClick={() => setAsking(true)}>
        Leave room
      </Button>
      {isAsking && (
        <Dialog title={`Leave ${room.name}?`} close={() => setAsking(false)}>
          <Text as="p">You will not see what is said from then on, and someone has to let you in again.</Text>
          <ErrorNote text={leave.failure} />
          <div className="buttons">
            <Button destructive disabled={leave.isRunning} onClick={() => void leave.run()}>
              Leave
            </Button>
            <Button kind="secondary" onClick={() => setAsking(false)}>
              Stay
            </Button>
          </div>
        </Dialog>
      )}
    </>
  )
}
