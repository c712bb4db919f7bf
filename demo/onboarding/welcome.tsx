import { Button, Form, Text } from '@vector-im/compound-web'
import { MatrixError } from 'matrix-js-sdk'
import { type FormEvent, useState } from 'react'
import type { HostStatus } from '../homeserver/control.ts'
import { useRelayOfPages } from '../homeserver/use-relay-of-pages.ts'
import { Card } from '../interface/card.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { approveLink } from '../rooms/approved-link.ts'
import { joinLinkOf } from '../rooms/join-link.ts'
import { localpartOf, register, signIn } from '../session/account.ts'
import { pendingName } from '../session/pending-name.ts'
import { secretsOf } from '../session/recovery-secrets.ts'
import { type StoredSession, unsavedRecoveryKey } from '../session/stored-session.ts'
import { makeIdentity } from './make-identity.ts'
import { NameChoice, type Reach } from './name-choice.tsx'
import { RestoreForm } from './restore-form.tsx'

interface WelcomeProps {
  readonly status: HostStatus
  readonly refresh: () => Promise<void>
  readonly signedIn: (session: StoredSession) => void
}

/** The one step between opening the page and having a homeserver with an account on it. */
export function Welcome({ status, refresh, signedIn }: WelcomeProps) {
  const relay = useRelayOfPages()
  const [name, setName] = useState(pendingName.get() ?? '')
  const [reach, setReach] = useState<Reach>()
  const domain = relay?.domain
  const chosen = reach ?? (domain === undefined ? 'yurts' : 'everyone')
  const hasIdentity = status.state !== 'no-identity'
  const begin = useAction(async () => {
    pendingName.set(name.trim())
    approveLink(location.hash)
    if (!hasIdentity) await makeIdentity(relay, chosen === 'everyone' ? domain : undefined)
    signedIn(await makeAccount(name))
    await refresh()
  })
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void begin.run()
  }
  const isInvited = joinLinkOf(location.hash) !== undefined
  return (
    <Card title={isInvited ? 'You are invited' : 'Your own homeserver, in this tab'}>
      <Text as="p">
        {isInvited && 'First, your own homeserver: it takes a moment. Then you join the room. '}
        Yurt is a whole Matrix homeserver that lives in your browser. Your rooms and keys stay here, and it works without a network.
      </Text>
      <Form.Root onSubmit={submit}>
        <Form.Field name="name">
          <Form.Label>Your name</Form.Label>
          <Form.TextControl
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            required
            maxLength={100}
            autoComplete="nickname"
            placeholder="Alice"
          />
          <Form.HelpMessage>{`Others see it. Your address begins with @${localpartOf(name || 'Alice')}`}</Form.HelpMessage>
        </Form.Field>
        {!hasIdentity && <NameChoice domain={domain} reach={chosen} choose={setReach} />}
        <ErrorNote text={begin.failure} />
        <Button type="submit" disabled={begin.isRunning || name.trim() === ''}>
          {begin.isRunning ? 'Making your homeserver…' : 'Begin'}
        </Button>
      </Form.Root>
      {!hasIdentity && (
        <details className="aside">
          <summary>I have a recovery key</summary>
          <RestoreForm changed={refresh} />
        </details>
      )}
    </Card>
  )
}

/** The account of the homeserver's owner; it may be there already when a setup is taken up again. */
async function makeAccount(name: string): Promise<StoredSession> {
  const recoveryKey = unsavedRecoveryKey.get()
  const secrets = recoveryKey === undefined ? undefined : await secretsOf(recoveryKey)
  if (!secrets) throw new Error('The recovery key is not here any more')
  const localpart = localpartOf(name)
  try {
    return await register(localpart, secrets.password)
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_USER_IN_USE') return signIn(localpart, secrets.password)
    throw error
  }
}
