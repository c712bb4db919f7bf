import { Button, Form, Text } from '@vector-im/compound-web'
import { type FormEvent, useCallback, useEffect, useState } from 'react'
import type { HostStatus } from '../homeserver/control.ts'
import { useHomeserverMonitor } from '../homeserver/homeserver-context.ts'
import { useRelayOfPages } from '../homeserver/use-relay-of-pages.ts'
import { useServiceWorker } from '../homeserver/use-service-worker.ts'
import { Card } from '../interface/card.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { Waiting } from '../interface/waiting.tsx'
import { unsavedRecoveryKey } from '../session/stored-session.ts'
import { LostIdentity } from './lost-identity.tsx'
import { makeIdentity } from './make-identity.ts'
import { NameChoice, type Reach } from './name-choice.tsx'
import { RecoveryKeyPage } from './recovery-key-page.tsx'
import { RestoreForm } from './restore-form.tsx'
import { Superseded } from './superseded.tsx'

/** What a browser gets in place of a client that is mounted here, until the client's homeserver answers. */
export function ClientStart() {
  const [ready, failure] = useServiceWorker()
  if (failure) return <Waiting title="Yurt cannot start" text={failure} isStuck />
  return ready ? <Controlled /> : <Waiting title="Setting up your homeserver…" />
}

function Controlled() {
  const { observed, refresh } = useHomeserverMonitor()
  if (!observed.status) return <Waiting title="Starting your homeserver…" text={observed.problem} />
  return <ByState status={observed.status} refresh={refresh} />
}

function ByState({ status, refresh }: { status: HostStatus; refresh: () => Promise<void> }) {
  const [recoveryKey, setRecoveryKey] = useState(() => unsavedRecoveryKey.get())
  const changed = useCallback(async () => {
    setRecoveryKey(unsavedRecoveryKey.get())
    await refresh()
  }, [refresh])
  const keep = useCallback(() => {
    unsavedRecoveryKey.forget()
    setRecoveryKey(undefined)
  }, [])
  if (status.state === 'superseded') return <Superseded serverName={status.server_name} />
  if (status.state === 'lost') return <LostIdentity changed={changed} />
  if (status.state === 'no-identity') return <FirstHomeserver changed={changed} />
  if (recoveryKey !== undefined) return <RecoveryKeyPage recoveryKey={recoveryKey} name={status.server_name ?? ''} keep={keep} />
  return <OpenClient />
}

/** The service worker answers this path with the client now. */
function OpenClient() {
  useEffect(() => location.reload(), [])
  return <Waiting title="Opening…" />
}

function FirstHomeserver({ changed }: { changed: () => Promise<void> }) {
  const relay = useRelayOfPages()
  const [reach, setReach] = useState<Reach>()
  const domain = relay?.domain
  const chosen = reach ?? (domain === undefined ? 'yurts' : 'everyone')
  const begin = useAction(async () => {
    await makeIdentity(relay, chosen === 'everyone' ? domain : undefined)
    await changed()
  })
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void begin.run()
  }
  return (
    <Card title="First, your own homeserver">
      <Text as="p">
        The client behind this page talks to a Matrix homeserver of your own, which lives in this browser. Make it now; then make an account
        on it in the client.
      </Text>
      <Form.Root onSubmit={submit}>
        <NameChoice domain={domain} reach={chosen} choose={setReach} />
        <ErrorNote text={begin.failure} />
        <Button type="submit" disabled={begin.isRunning}>
          {begin.isRunning ? 'Making your homeserver…' : 'Begin'}
        </Button>
      </Form.Root>
      <details className="aside">
        <summary>I have a recovery key</summary>
        <RestoreForm changed={changed} />
      </details>
    </Card>
  )
}
