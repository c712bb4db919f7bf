import type { RecoverySecrets } from './recovery-secrets.ts'

let recent: RecoverySecrets | undefined

/** Hands secrets that were just typed in to the session that they open; they are kept nowhere else. */
export function rememberSecrets(secrets: RecoverySecrets): void {
  recent = secrets
}

/** The secrets typed in a moment ago, once. */
export function takeSecrets(): RecoverySecrets | undefined {
  const taken = recent
  recent = undefined
  return taken
}
