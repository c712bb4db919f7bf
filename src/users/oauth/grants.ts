import { sha256 } from '@noble/hashes/sha2.js'
import type { KeepAnswer } from '../../http/endpoint.ts'
import type { Storage, Write } from '../../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../../spec/base64.ts'
import type { UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import { Lru } from '../../storage/lru.ts'
import type { Devices } from '../devices.ts'
import type { Sessions } from '../sessions.ts'
import type { SingleUseSecrets } from '../single-use.ts'
import type { IssuedTokens, Tokens } from '../tokens.ts'
import type { OAuthClients } from './clients.ts'
import { OAuthError } from './oauth-error.ts'
import { parseScope } from './scope.ts'

/** What a user agreed to. */
export interface Authorisation {
  readonly userId: UserId
  readonly clientId: string
  readonly scope: string
}

/** By whom tokens are asked for, and how a repeat of that is answered. */
export interface Redeeming {
  readonly address: string
  readonly keep: KeepAnswer
}

interface LoggingIn extends Redeeming {
  readonly alongside: readonly Write[]
}

interface CodeRedemption extends Redeeming {
  readonly code: string
  readonly clientId: string
  readonly redirectUri: string
  readonly verifier: string
}

interface GrantsDeps {
  readonly storage: Storage
  readonly singleUse: SingleUseSecrets
  readonly clients: OAuthClients
  readonly sessions: Sessions
  readonly tokens: Tokens
  readonly devices: Devices
}

const codeMs = 60_000

/** What authorisations become: codes, and tokens for them (Client-Server API, "Grant types"). */
export class OAuthGrants {
  readonly #deps: GrantsDeps
  /** Codes that were redeemed of late, and on which device. */
  readonly #redeemed = new Lru<string, { readonly userId: UserId; readonly deviceId: string }>(1000)

  constructor(deps: GrantsDeps) {
    this.#deps = deps
  }

  /** A code for an authorisation, for whoever can show the verifier of `challenge` (RFC 7636, S256). */
  issueCode(authorisation: Authorisation, bound: { readonly redirectUri: string; readonly challenge: string }): Promise<string> {
    return this.#deps.singleUse.issue('oauth code', { ...authorisation, ...bound }, { lifetimeMs: codeMs })
  }

  /**
   * Tokens for a code; one that fits nothing it was given for is used up by that. One that comes twice was stolen: then the session
   * it began is ended. Throws `invalid_grant`.
   */
  async redeemCode({ code, clientId, redirectUri, verifier, ...how }: CodeRedemption): Promise<JsonObject> {
    const stolen = this.#redeemed.get(code)
    if (stolen) await this.#deps.devices.remove(stolen.userId, [stolen.deviceId])
    const challenge = encodeUrlSafeBase64(sha256(new TextEncoder().encode(verifier)))
    const answer = await this.#deps.singleUse.use('oauth code', code, async (found, removal) => {
      if (found.clientId !== clientId || found.redirectUri !== redirectUri || found.challenge !== challenge) {
        await this.#deps.storage.commit(removal, 'strict')
        return undefined
      }
      const authorisation = { userId: String(found.userId), clientId, scope: String(found.scope) }
      this.#redeemed.set(code, { userId: authorisation.userId, deviceId: parseScope(authorisation.scope)?.deviceId ?? '' })
      return this.login(authorisation, { ...how, alongside: removal })
    })
    if (!answer) throw new OAuthError('invalid_grant', 'The code is unknown, expired or used, or was given for another request')
    return answer
  }

  /** Logs a user in on the device that the scope names; `alongside` is written in the same commit. */
  async login({ userId, clientId, scope }: Authorisation, { address, keep, alongside }: LoggingIn): Promise<JsonObject> {
    const parsed = parseScope(scope)
    if (!parsed) throw new OAuthError('invalid_scope', 'The scope names no device')
    const displayName = (await this.#deps.clients.get(clientId))?.name ?? clientId
    const answer = (issued: IssuedTokens['answer']) => tokenAnswer(issued, parsed.granted)
    return answer(
      await this.#deps.sessions.login(userId, {
        deviceId: parsed.deviceId,
        displayName,
        refreshable: true,
        address,
        oauthClientId: clientId,
        alongside: (issued) => [...alongside, ...keep(answer(issued))],
      }),
    )
  }

  /**
   * New tokens for a refresh token of this client. One that comes again after its successor was used was stolen, or that was: then the
   * session is ended ("Refresh token grant"). Throws `invalid_grant`.
   */
  async refresh(refreshToken: string, clientId: string, keep: KeepAnswer): Promise<JsonObject> {
    const { tokens, devices } = this.#deps
    const owner = await tokens.ownerOf(refreshToken)
    const scope = parseScope(`urn:matrix:client:api:* urn:matrix:client:device:${owner?.deviceId}`)?.granted ?? ''
    const alongside = (issued: IssuedTokens['answer']) => keep(tokenAnswer(issued, scope))
    const answer = await tokens.refresh(refreshToken, { oauthClientId: clientId, alongside })
    if (answer) return tokenAnswer(answer, scope)
    const former = await tokens.formerOwnerOf(refreshToken)
    if (former) await devices.remove(former.userId, [former.deviceId])
    throw new OAuthError('invalid_grant', 'The refresh token is unknown, used, or of another client')
  }

  /** Logs out the device that a token is of; what is no token is passed over. */
  async revoke(token: string): Promise<void> {
    const owner = await this.#deps.tokens.ownerOf(token)
    if (owner) await this.#deps.devices.remove(owner.userId, [owner.deviceId])
  }
}

function tokenAnswer({ access_token, refresh_token, expires_in_ms = 0 }: IssuedTokens['answer'], scope: string): JsonObject {
  return { access_token, token_type: 'Bearer', expires_in: Math.floor(expires_in_ms / 1000), refresh_token: refresh_token ?? '', scope }
}
