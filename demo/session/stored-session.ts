/** Who is signed in, as this browser keeps it. */
export interface StoredSession {
  readonly userId: string
  readonly deviceId: string
  readonly accessToken: string
  /** Homeservers may give tokens that do not expire, and then no refresh token. */
  readonly refreshToken?: string
}

const sessionKey = 'yurt.session'
const lastUserKey = 'yurt.last-user'
const unsavedRecoveryKeyKey = 'yurt.unsaved-recovery-key'

/** The session to go on with; `undefined` when nobody is signed in or what is stored is not one. */
export function loadSession(): StoredSession | undefined {
  const stored = parsed(localStorage.getItem(sessionKey))
  if (typeof stored !== 'object' || stored === null) return undefined
  if (!('userId' in stored && 'deviceId' in stored && 'accessToken' in stored)) return undefined
  const { userId, deviceId, accessToken } = stored
  if (typeof userId !== 'string' || typeof deviceId !== 'string' || typeof accessToken !== 'string') return undefined
  const refreshToken = 'refreshToken' in stored && typeof stored.refreshToken === 'string' ? stored.refreshToken : undefined
  return { userId, deviceId, accessToken, ...(refreshToken === undefined ? {} : { refreshToken }) }
}

/** Keeps the session for the next start of the page. */
export function saveSession(session: StoredSession): void {
  localStorage.setItem(sessionKey, JSON.stringify(session))
  localStorage.setItem(lastUserKey, session.userId)
}

/** Forgets the session; who it was is still offered when signing in again. */
export function forgetSession(): void {
  localStorage.removeItem(sessionKey)
}

/** Who was signed in last in this browser. */
export function lastUser(): string | undefined {
  return localStorage.getItem(lastUserKey) ?? undefined
}

/**
 * The recovery key until the user says that it is kept: it exists nowhere else, and a reload before that must not lose it.
 */
export const unsavedRecoveryKey = {
  get: () => localStorage.getItem(unsavedRecoveryKeyKey) ?? undefined,
  set: (key: string) => localStorage.setItem(unsavedRecoveryKeyKey, key),
  forget: () => localStorage.removeItem(unsavedRecoveryKeyKey),
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
