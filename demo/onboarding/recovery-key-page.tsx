import CheckIcon from '@vector-im/compound-design-tokens/assets/web/icons/check'
import CopyIcon from '@vector-im/compound-design-tokens/assets/web/icons/copy'
import DownloadIcon from '@vector-im/compound-design-tokens/assets/web/icons/download'
import { Button, Form, Text } from '@vector-im/compound-web'
import { type FormEvent, useState } from 'react'
import { readRecoveryFile } from '../homeserver/control.ts'
import { Card } from '../interface/card.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { saveFile } from '../interface/save-file.ts'
import { useAction } from '../interface/use-action.ts'
import { useCopy } from '../interface/use-copy.ts'

interface RecoveryKeyPageProps {
  readonly recoveryKey: string
  /** What it brings back: the user's name, or the homeserver's. */
  readonly name: string
  readonly keep: () => void
}

/** Shows the recovery key once, and lets nobody past who has not written down its end. */
export function RecoveryKeyPage({ recoveryKey, name, keep }: RecoveryKeyPageProps) {
  const groups = recoveryKey.split(' ')
  const lastGroup = groups.at(-1) ?? ''
  const [typed, setTyped] = useState('')
  const [isCopied, copy] = useCopy()
  const save = useAction(async () => {
    saveFile('yurt-recovery.json', new Blob([JSON.stringify(await readRecoveryFile(), undefined, 2)], { type: 'application/json' }))
  })
  const isKept = typed.trim() === lastGroup
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    if (isKept) keep()
  }
  return (
    <Card title="Keep your recovery key">
      <Text as="p">
        Your homeserver exists in this browser only. If the browser loses its data, this key together with the recovery file brings your
        name back. The key alone signs you in again here. It is shown this once.
      </Text>
      <ol className="recovery-key" aria-label="Recovery key">
        {groups.map((group, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the groups never move
          <li key={index}>{group}</li>
        ))}
      </ol>
      <div className="buttons">
        <Button kind="secondary" size="md" Icon={isCopied ? CheckIcon : CopyIcon} onClick={() => copy(recoveryKey)}>
          {isCopied ? 'Copied' : 'Copy key'}
        </Button>
        <Button kind="secondary" size="md" Icon={DownloadIcon} onClick={() => void save.run()}>
          Save recovery file
        </Button>
      </div>
      <ErrorNote text={save.failure} />
      <p className="server-name">{name}</p>
      <Form.Root onSubmit={submit}>
        <Form.Field name="last-group" serverInvalid={typed.length >= lastGroup.length && !isKept}>
          <Form.Label>Last group of the key</Form.Label>
          <Form.TextControl
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
          />
          <Form.HelpMessage>Type the last group from where you kept it, to be sure that it is there.</Form.HelpMessage>
        </Form.Field>
        <Button type="submit" disabled={!isKept}>
          I have kept it
        </Button>
      </Form.Root>
    </Card>
  )
}
