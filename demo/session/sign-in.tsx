import { Button, Form, Text } from '@vector-im/compound-web'
import { type FormEvent, useState } from 'react'
import { Card } from '../interface/card.tsx'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { signIn } from './account.ts'
import { rememberSecrets } from './recent-secrets.ts'
import { secretsOf } from './recovery-secrets.ts'
import { lastUser, type StoredSession } from './stored-session.ts'

/** Signs in to an account of this homeserver: with its recovery key, or with a password that was set for it. */
export function SignIn({ serverName, signedIn }: { serverName: string; signedIn: (session: StoredSession) => void }) {
  const [user, setUser] = useState(lastUser() ?? '')
  const [secret, setSecret] = useState('')
  const begin = useAction(async () => {
    const secrets = await secretsOf(secret)
    const session = await signIn(user.trim(), secrets?.password ?? secret)
    if (secrets) rememberSecrets(secrets)
    signedIn(session)
  })
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void begin.run()
  }
  return (
    <Card title="Sign in to your homeserver">
      <Text as="p">It runs in this browser; nobody is signed in to it here.</Text>
      <p className="server-name">{serverName}</p>
      <Form.Root onSubmit={submit}>
        <Form.Field name="user">
          <Form.Label>User name</Form.Label>
          <Form.TextControl value={user} onChange={(event) => setUser(event.currentTarget.value)} required autoComplete="username" />
        </Form.Field>
        <Form.Field name="secret">
          <Form.Label>Recovery key or password</Form.Label>
          <Form.PasswordControl
            value={secret}
            onChange={(event) => setSecret(event.currentTarget.value)}
            required
            autoComplete="current-password"
          />
          <Form.HelpMessage>With the recovery key you can read your encrypted messages again.</Form.HelpMessage>
        </Form.Field>
        <ErrorNote text={begin.failure} />
        <Button type="submit" disabled={begin.isRunning}>
          {begin.isRunning ? 'Signing in…' : 'Sign in'}
        </Button>
      </Form.Root>
    </Card>
  )
}
