import { Button, Form } from '@vector-im/compound-web'
import { type FormEvent, useState } from 'react'
import { Dialog } from '../interface/dialog.tsx'
import { approveLink } from './approved-link.ts'
import { joinHash, joinTargetOf } from './join-link.ts'

/** Takes the address of a room, in any form people have it. */
export function JoinDialog({ close }: { close: () => void }) {
  const [address, setAddress] = useState('')
  const target = joinTargetOf(address)
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    if (!target) return
    close()
    const hash = joinHash(target)
    approveLink(hash)
    location.hash = hash
  }
  return (
    <Dialog title="Join a room" close={close}>
      <Form.Root onSubmit={submit}>
        <Form.Field name="address" serverInvalid={address.trim().length > 3 && !target}>
          <Form.Label>Link, address or room ID</Form.Label>
          <Form.TextControl
            value={address}
            onChange={(event) => setAddress(event.currentTarget.value)}
            required
            autoComplete="off"
            spellCheck={false}
            placeholder="#room:example.org"
          />
          <Form.HelpMessage>An invite link, a matrix.to link, #an-alias:server or !an-id</Form.HelpMessage>
        </Form.Field>
        <Button type="submit" disabled={!target}>
          Join
        </Button>
      </Form.Root>
    </Dialog>
  )
}
