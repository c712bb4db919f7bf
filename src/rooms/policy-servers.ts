import type { RoomMembers } from '../ports/room-members.ts'
import type { RoomEvent, StateMap } from '../spec/event.ts'
import { isExemptFromPolicy, type PolicyServer, policyServerKey, policyServerOf } from '../spec/policy-server.ts'
import type { PolicySignatureDeps, PolicyVerdicts } from './policy-signatures.ts'
import type { Room, RoomStore } from './room-store.ts'

interface PolicyDeps extends PolicySignatureDeps {
  readonly store: RoomStore
  readonly members: Pick<RoomMembers, 'servers'>
}

/** Loaded by the first room that has a policy server: few have. */
const signatures = () => import('./policy-signatures.ts')

/** Whether events like this may need a policy server's signature in a room of this state. */
export function mayNeedPolicyServer(state: StateMap, event: { readonly type: string; readonly stateKey?: string | undefined }): boolean {
  return state.has(policyServerKey) && !isExemptFromPolicy(event)
}

/** The policy servers of rooms: whom they name, what they sign (Server-Server API, "Policy Servers"; MSC4284). */
export class PolicyServers {
  readonly #deps: PolicyDeps

  constructor(deps: PolicyDeps) {
    this.#deps = deps
  }

  /** An event of ours as the room's policy server signed it, where there is one. Throws that server's refusal. */
  async sign(event: RoomEvent, room: Room): Promise<RoomEvent> {
    const server = isExemptFromPolicy(event) ? undefined : await this.#serverOf(room)
    if (!server) return event
    return (await signatures()).signedByPolicyServer(event, { server, rules: room.rules }, this.#deps)
  }

  /** Whether the room's events need a policy server's signature now. */
  async isUsedIn(room: Room): Promise<boolean> {
    return (await this.#serverOf(room)) !== undefined
  }

  /** What the room's policy server thinks of new events of other servers. */
  async check(events: readonly RoomEvent[], room: Room): Promise<PolicyVerdicts> {
    const server = await this.#serverOf(room)
    if (!server) return { events, softFailures: new Map() }
    return (await signatures()).checkPolicy(events, { server, rules: room.rules }, this.#deps)
  }

  /** The server that the current state names, if it has a joined user in the room. */
  async #serverOf({ roomId, state }: Room): Promise<PolicyServer | undefined> {
    if (!state.has(policyServerKey)) return undefined
    const server = policyServerOf((await this.#deps.store.stateEvent(state, 'm.room.policy', ''))?.content ?? {})
    return server && (await this.#deps.members.servers(roomId)).has(server.name) ? server : undefined
  }
}
