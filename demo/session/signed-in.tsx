import type { MatrixClient } from 'matrix-js-sdk'
import { useCallback, useEffect, useState } from 'react'
import { messageOf } from '../interface/message-of.ts'
import { Waiting } from '../interface/waiting.tsx'
import { RecoveryKeyPage } from '../onboarding/recovery-key-page.tsx'
import { Chat } from '../rooms/chat.tsx'
import { ClientContext } from './client-context.ts'
import { endMatrixSession, startMatrixClient } from './matrix-session.ts'
import { pendingName } from './pending-name.ts'
import { takeSecrets } from './recent-secrets.ts'
import { secretsOf } from './recovery-secrets.ts'
import { forgetSession, type StoredSession, unsavedRecoveryKey } from './stored-session.ts'

/** What someone who is signed in sees: once, the recovery key; from then on the chat. */
export function SignedIn({ session, signedOut }: { session: StoredSession; signedOut: () => void }) {
  const [recoveryKey, setRecoveryKey] = useState(() => unsavedRecoveryKey.get())
  const end = useCallback(() => {
    forgetSession()
    signedOut()
  }, [signedOut])
  const [client, failure] = useMatrixClient(session, end)
  const keep = useCallback(() => {
    unsavedRecoveryKey.forget()
    setRecoveryKey(undefined)
  }, [])
  const signOut = useCallback(async () => {
    if (client) await endMatrixSession(client, session)
    end()
  }, [client, session, end])
  if (recoveryKey !== undefined) return <RecoveryKeyPage recoveryKey={recoveryKey} name={session.userId} keep={keep} />
  if (failure !== undefined) return <Waiting title="The chat cannot start" text={failure} isStuck />
  if (!client) return <Waiting title="Opening your rooms…" />
  return (
    <ClientContext value={client}>
      <Chat signOut={signOut} />
    </ClientContext>
  )
}

function useMatrixClient(session: StoredSession, ended: () => void): [MatrixClient | undefined, string | undefined] {
  const [client, setClient] = useState<MatrixClient>()
  const [failure, setFailure] = useState<string>()
  useEffect(() => {
    let isCurrent = true
    const start = open(session, () => isCurrent && ended())
    start.then(
      (opened) => {
        if (isCurrent) setClient(opened)
      },
      (error: unknown) => isCurrent && setFailure(messageOf(error)),
    )
    return () => {
      isCurrent = false
      void start.then(
        (opened) => opened.stopClient(),
        () => undefined,
      )
      setClient(undefined)
    }
  }, [session, ended])
  return [client, failure]
}

async function open(session: StoredSession, loggedOut: () => void): Promise<MatrixClient> {
  const unsaved = unsavedRecoveryKey.get()
  const secrets = takeSecrets() ?? (unsaved === undefined ? undefined : await secretsOf(unsaved))
  const client = await startMatrixClient(session, { secrets, loggedOut })
  const name = pendingName.get()
  if (name !== undefined) {
    await client.setDisplayName(name)
    pendingName.forget()
  }
  return client
}
