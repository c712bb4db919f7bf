import { useCallback, useState } from 'react'
import type { HostStatus } from './homeserver/control.ts'
import { HomeserverContext, useHomeserverMonitor } from './homeserver/homeserver-context.ts'
import { useServiceWorker } from './homeserver/use-service-worker.ts'
import { useOnlyHere } from './interface/only-here.ts'
import { Waiting } from './interface/waiting.tsx'
import { Elsewhere } from './onboarding/elsewhere.tsx'
import { LostIdentity } from './onboarding/lost-identity.tsx'
import { Superseded } from './onboarding/superseded.tsx'
import { Welcome } from './onboarding/welcome.tsx'
import { SignIn } from './session/sign-in.tsx'
import { SignedIn } from './session/signed-in.tsx'
import { loadSession, type StoredSession, saveSession, unsavedRecoveryKey } from './session/stored-session.ts'

/** The whole page: what is shown follows from what the homeserver is and whether someone is signed in. */
export function App() {
  const [ready, failure] = useServiceWorker()
  if (failure) return <Waiting title="Yurt cannot start" text={failure} isStuck />
  if (!ready) return <Waiting title="Setting up your homeserver…" />
  return <Controlled />
}

function Controlled() {
  const monitor = useHomeserverMonitor()
  const [place, useHere] = useOnlyHere()
  const { observed } = monitor
  if (place === 'waiting' || !observed.status) return <Waiting title="Starting your homeserver…" text={observed.problem} />
  if (place === 'elsewhere') return <Elsewhere useHere={useHere} />
  return (
    <HomeserverContext value={monitor}>
      <ByState status={observed.status} refresh={monitor.refresh} />
    </HomeserverContext>
  )
}

function ByState({ status, refresh }: { status: HostStatus; refresh: () => Promise<void> }) {
  const [session, setSession] = useState<StoredSession | undefined>(loadSession)
  const signedIn = useCallback((made: StoredSession) => {
    saveSession(made)
    setSession(made)
  }, [])
  const changed = useCallback(async () => {
    setSession(loadSession())
    await refresh()
  }, [refresh])
  const signedOut = useCallback(() => setSession(undefined), [])
  if (status.state === 'superseded') return <Superseded serverName={status.server_name} />
  if (status.state === 'lost') return <LostIdentity changed={changed} />
  const isResumed = unsavedRecoveryKey.get() !== undefined
  if (status.state === 'no-identity' || (!session && isResumed)) return <Welcome status={status} refresh={changed} signedIn={signedIn} />
  if (!session) return <SignIn serverName={status.server_name ?? ''} signedIn={signedIn} />
  return <SignedIn session={session} signedOut={signedOut} />
}
