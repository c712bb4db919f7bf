import { Button, Form } from '@vector-im/compound-web'
import { type FormEvent, useRef } from 'react'
import { restoreIdentity } from '../homeserver/control.ts'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { forgetSession, loadSession, unsavedRecoveryKey } from '../session/stored-session.ts'

/** Brings an identity back by its recovery file and recovery key. */
export function RestoreForm({ changed }: { changed: () => Promise<void> }) {
  const file = useRef<HTMLInputElement>(null)
  const restore = useAction(async (form: FormData) => {
    const chosen = file.current?.files?.[0]
    if (!chosen) throw new Error('Choose the recovery file that you saved')
    const content: unknown = JSON.parse(await chosen.text())
    const recoveryKey = String(form.get('recovery-key'))
    await restoreIdentity(content, recoveryKey)
    if (!(await isStillSignedIn())) {
      forgetSession()
      // The account is made, or signed in to, with the secrets that this key opens.
      unsavedRecoveryKey.set(recoveryKey)
    }
    await changed()
  })
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void restore.run(new FormData(event.currentTarget))
  }
  return (
    <Form.Root onSubmit={submit}>
      <Form.Field name="recovery-file">
        <Form.Label>Recovery file</Form.Label>
        <input
          ref={file}
          id="recovery-file"
          className="file-input"
          type="file"
          accept=".json,application/json"
          aria-label="Recovery file"
          required
        />
      </Form.Field>
      <Form.Field name="recovery-key">
        <Form.Label>Recovery key</Form.Label>
        <Form.TextControl required autoComplete="off" spellCheck={false} />
        <Form.HelpMessage>The 48 letters and digits that you were shown once.</Form.HelpMessage>
      </Form.Field>
      <ErrorNote text={restore.failure} />
      <Button type="submit" disabled={restore.isRunning}>
        {restore.isRunning ? 'Restoring…' : 'Restore'}
      </Button>
    </Form.Root>
  )
}

/** Whether what is left of the homeserver still knows the session of this browser. */
async function isStillSignedIn(): Promise<boolean> {
  const session = loadSession()
  if (!session) return false
  const { ok } = await fetch('/_matrix/client/v3/account/whoami', { headers: { authorization: `Bearer ${session.accessToken}` } })
  return ok
}
