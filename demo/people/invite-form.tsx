import { Button, Form } from '@vector-im/compound-web'
import type { Room } from 'matrix-js-sdk'
import { type FormEvent, useState } from 'react'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { useClient } from '../session/client-context.ts'

const userIdPattern = /^@[^\s:]+:[^\s]+$/

/** Invites someone by their address. */
export function InviteForm({ room }: { room: Room }) {
  const client = useClient()
  const [userId, setUserId] = useState('')
  const [invited, setInvited] = useState<string>()
  const invite = useAction(async () => {
    await client.invite(room.roomId, userId.trim())
    setInvited(userId.trim())
    setUserId('')
  })
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void invite.run()
  }
  return (
    <Form.Root className="invite" onSubmit={submit}>
      <Form.Field name="user-id">
        <Form.Label>Invite by address</Form.Label>
        <Form.TextControl
          value={userId}
          onChange={(event) => setUserId(event.currentTarget.value)}
          placeholder="@bob:server"
          autoComplete="off"
          spellCheck={false}
        />
      </Form.Field>
      <Button type="submit" kind="secondary" size="md" disabled={invite.isRunning || !userIdPattern.test(userId.trim())}>
        {invite.isRunning ? 'Inviting…' : 'Invite'}
      </Button>
      <ErrorNote text={invite.failure} />
      <p className="hint" role="status">
        {invited === undefined || invite.failure !== undefined ? '' : `${invited} is invited.`}
      </p>
    </Form.Root>
  )
}
