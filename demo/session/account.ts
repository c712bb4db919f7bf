import { createClient, type LoginResponse, type RegisterResponse } from 'matrix-js-sdk'
import type { StoredSession } from './stored-session.ts'

const deviceName = 'Yurt in a browser tab'

/** A localpart made of what someone calls themselves: what Matrix allows in one, and never empty. */
export function localpartOf(name: string): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\s+/g, '.')
    .replace(/[^a-z0-9._=/+-]/g, '')
    .replace(/^[._-]+|[._-]+$/g, '')
  return plain.slice(0, 64) || 'me'
}

/** Registers the account and signs in. Rejects with the homeserver's `MatrixError`. */
export async function register(localpart: string, password: string): Promise<StoredSession> {
  const response = await createClient({ baseUrl: location.origin }).registerRequest({
    username: localpart,
    password,
    auth: { type: 'm.login.dummy' },
    initial_device_display_name: deviceName,
    refresh_token: true,
  })
  return sessionOf(response)
}

/** Signs in to an account of this homeserver. Rejects with the homeserver's `MatrixError`. */
export async function signIn(user: string, password: string): Promise<StoredSession> {
  const response = await createClient({ baseUrl: location.origin }).loginRequest({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user },
    password,
    initial_device_display_name: deviceName,
    refresh_token: true,
  })
  return sessionOf(response)
}

function sessionOf({ user_id, device_id, access_token, refresh_token }: LoginResponse | RegisterResponse): StoredSession {
  if (!device_id || !access_token) throw new Error('The homeserver gave no device')
  return {
    userId: user_id,
    deviceId: device_id,
    accessToken: access_token,
    ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
  }
}
