import { Button, Text } from '@vector-im/compound-web'
import { useState } from 'react'
import { relayOfPages } from '../../worker/relay-of-pages.ts'
import { createIdentity } from '../homeserver/control.ts'
import { Card } from '../interface/card.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { forgetSession, unsavedRecoveryKey } from '../session/stored-session.ts'
import { RestoreForm } from './restore-form.tsx'

/** Shown where a homeserver was and its identity is gone: a new one is never made silently. */
export function LostIdentity({ changed }: { changed: () => Promise<void> }) {
  const [isCertain, setCertain] = useState(false)
  const beginAnew = useAction(async () => {
    const relay = await relayOfPages()
    const { recoveryKey } = await createIdentity({
      abandonFormer: true,
      ...(relay?.domain === undefined ? {} : { relayDomain: relay.domain }),
    })
    unsavedRecoveryKey.set(recoveryKey)
    forgetSession()
    await changed()
  })
  return (
    <Card title="Your homeserver’s identity is gone">
      <Text as="p">
        This browser had a homeserver, and the key that was its identity is no longer here: the browser may have cleared its storage. With
        the recovery file and the recovery key you can bring it back.
      </Text>
      <RestoreForm changed={changed} />
      <details className="aside">
        <summary>I have no recovery key</summary>
        <Text as="p" size="sm">
          Then nobody can ever speak under the old name again. You can begin anew, with another name; what is left of the old homeserver in
          this browser is deleted.
        </Text>
        <label className="tick">
          <input type="checkbox" checked={isCertain} onChange={(event) => setCertain(event.currentTarget.checked)} />
          Delete what is left of it
        </label>
        <ErrorNote text={beginAnew.failure} />
        <Button kind="secondary" destructive disabled={!isCertain || beginAnew.isRunning} onClick={() => void beginAnew.run()}>
          Begin anew
        </Button>
      </details>
    </Card>
  )
}
