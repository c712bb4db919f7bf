import { Button, Form } from '@vector-im/compound-web'
import { EventType, JoinRule, Preset, Visibility } from 'matrix-js-sdk'
import { type FormEvent, useState } from 'react'
import { Dialog } from '../interface/dialog.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { roomHash } from '../interface/use-hash.ts'
import { useClient } from '../session/client-context.ts'

type Entry = 'ask' | 'link'

/** Makes a room. */
export function CreateRoomDialog({ close }: { close: () => void }) {
  const client = useClient()
  const [name, setName] = useState('')
  const [entry, setEntry] = useState<Entry>('ask')
  const [isEncrypted, setEncrypted] = useState(true)
  const create = useAction(async () => {
    const joinRule = {
      type: EventType.RoomJoinRules,
      state_key: '',
      content: { join_rule: entry === 'ask' ? JoinRule.Knock : JoinRule.Public },
    }
    const encryption = { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }
    const { room_id: roomId } = await client.createRoom({
      name: name.trim(),
      preset: Preset.PrivateChat,
      visibility: Visibility.Private,
      initial_state: [joinRule, ...(isEncrypted ? [encryption] : [])],
    })
    close()
    location.hash = roomHash(roomId)
  })
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void create.run()
  }
  return (
    <Dialog title="Create a room" close={close}>
      <Form.Root onSubmit={submit}>
        <Form.Field name="room-name">
          <Form.Label>Name</Form.Label>
          <Form.TextControl value={name} onChange={(event) => setName(event.currentTarget.value)} required maxLength={255} />
        </Form.Field>
        <fieldset className="choice">
          <legend>Who may join?</legend>
          <Form.InlineField
            name="entry"
            control={<Form.RadioControl value="ask" checked={entry === 'ask'} onChange={() => setEntry('ask')} />}
          >
            <Form.Label>People who are invited</Form.Label>
            <Form.HelpMessage>Whoever has the link can ask, and someone in the room lets them in.</Form.HelpMessage>
          </Form.InlineField>
          <Form.InlineField
            name="entry"
            control={<Form.RadioControl value="link" checked={entry === 'link'} onChange={() => setEntry('link')} />}
          >
            <Form.Label>Everyone with the link</Form.Label>
            <Form.HelpMessage>Nobody has to be let in.</Form.HelpMessage>
          </Form.InlineField>
        </fieldset>
        <Form.InlineField
          name="encrypted"
          control={<Form.CheckboxControl checked={isEncrypted} onChange={(event) => setEncrypted(event.currentTarget.checked)} />}
        >
          <Form.Label>End-to-end encrypted</Form.Label>
          <Form.HelpMessage>Only the people in the room can read it. This cannot be turned off later.</Form.HelpMessage>
        </Form.InlineField>
        <ErrorNote text={create.failure} />
        <Button type="submit" disabled={create.isRunning || name.trim() === ''}>
          {create.isRunning ? 'Creating…' : 'Create'}
        </Button>
      </Form.Root>
    </Dialog>
  )
}
