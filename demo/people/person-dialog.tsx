import { Button, Text } from '@vector-im/compound-web'
import type { Room, RoomMember } from 'matrix-js-sdk'
import type { VerificationRequest } from 'matrix-js-sdk/lib/crypto-api'
import { useState } from 'react'
import { Dialog } from '../interface/dialog.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { useClient } from '../session/client-context.ts'
import { Comparison } from '../verification/comparison.tsx'
import { type Trust, useTrust } from '../verification/trust.ts'

interface PersonDialogProps {
  readonly room: Room
  readonly member: RoomMember
  readonly close: () => void
}

/** Someone in the room: whether they and their devices are verified, and the way to that. */
export function PersonDialog({ room, member, close }: PersonDialogProps) {
  const client = useClient()
  const { userId, name } = member
  const trust = useTrust(userId)
  const [request, setRequest] = useState<VerificationRequest>()
  const isSelf = userId === client.getSafeUserId()
  const verify = useAction(async () => {
    const crypto = client.getCrypto()
    setRequest(await (isSelf ? crypto?.requestOwnUserVerification() : crypto?.requestVerificationDM(userId, room.roomId)))
  })
  const mayVerify = trust && (isSelf ? trust.devices.length > 1 : !trust.isVerified) && member.membership === 'join'
  return (
    <Dialog title={name} close={close}>
      <p className="server-name">{userId}</p>
      {request ? (
        <Comparison request={request} name={isSelf ? 'Your other device' : name} close={() => setRequest(undefined)} />
      ) : (
        <>
          <p role="status">{trust ? verdictOn(trust, { name, isSelf }) : 'Looking for their devices…'}</p>
          {trust && <Devices trust={trust} />}
          <ErrorNote text={verify.failure} />
          {mayVerify && (
            <div className="buttons">
              <Button size="md" disabled={verify.isRunning} onClick={() => void verify.run()}>
                {isSelf ? 'Verify another device' : `Verify ${name}`}
              </Button>
            </div>
          )}
        </>
      )}
    </Dialog>
  )
}

function Devices({ trust }: { trust: Trust }) {
  if (trust.devices.length === 0) return <Text as="p">No device with keys for encryption is known.</Text>
  return (
    <ul className="devices" aria-label="Devices">
      {trust.devices.map(({ id, name, isVerified }) => (
        <li key={id}>
          <span>{name}</span>
          <span className="member-id">{id}</span>
          <span>{isVerified ? 'Verified' : 'Not verified'}</span>
        </li>
      ))}
    </ul>
  )
}

function verdictOn({ isVerified }: Trust, { name, isSelf }: { readonly name: string; readonly isSelf: boolean }): string {
  if (isSelf) return isVerified ? 'This is you.' : 'This is you, on a device that your other devices do not trust yet.'
  return isVerified ? `${name} is verified: you compared pictures.` : `${name} is not verified: somebody could be between you.`
}
