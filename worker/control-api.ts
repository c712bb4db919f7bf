import * as v from 'valibot'
import type { QueueStatus } from '../src/federation/sender.ts'
import { parseJson, readBytes } from '../src/http/json-body.ts'
import { json } from '../src/http/router.ts'
import type { JoinProgress } from '../src/rooms/join-progress.ts'
import { badJson, forbidden, MatrixError, notFound, unrecognized } from '../src/spec/errors.ts'
import { labelOf } from '../src/spec/self-certifying.ts'
import { isServerName } from '../src/spec/server-name.ts'
import { createIdentity, type Identity, recoveryFileOf, restoreIdentity } from './identity.ts'
import type { Instance } from './instance.ts'
import type { Libp2pStatus } from './libp2p-node.ts'
import { type StoredSettings, storedSettingsSchema } from './stored-settings.ts'

/** `lost`: there was an identity, and it is gone. `superseded`: a restored copy of it runs elsewhere. */
export type HostState = 'no-identity' | 'lost' | 'superseded' | 'running'

/** What the browser gives, how the leader's window is connected, and what waits for other servers, and which joins are under way. */
export interface Surroundings {
  readonly epoch: number
  readonly storage: {
    readonly usage_bytes: number | undefined
    readonly quota_bytes: number | undefined
    readonly media_bytes: number
    /** Whether the browser promised not to delete the data by itself. */
    readonly persisted: boolean
  }
  readonly connections: Libp2pStatus | undefined
  readonly queues: readonly QueueStatus[]
  readonly joins: readonly JoinProgress[]
}

/** The answer of `GET /_yurt/status`. */
export interface HostStatus extends Surroundings {
  readonly state: HostState
  readonly server_name?: string
  readonly incarnation?: number
}

/** What can be controlled. */
export interface Controlled {
  readonly state: HostState
  readonly instance: Instance | undefined
  surroundings(): Promise<Surroundings>
  /** Takes an identity where there is none, and runs. `fresh` begins anew: what an earlier homeserver left is removed. */
  adopt(identity: Identity, options: { readonly fresh: boolean }): Promise<void>
  /** Keeps settings; if they change anything, another worker answers from then on. */
  configure(settings: StoredSettings): Promise<void>
}

type Action = (controlled: Controlled, body: unknown) => Promise<object>

const prefix = '/_yurt/'
const bodyLimit = 64 * 1024
const creation = v.strictObject({
  /** Below this relay's domain; without it and without a name, the label alone. */
  relay_domain: v.optional(v.pipe(v.string(), v.regex(/^[a-z0-9.-]{1,100}(:[0-9]{1,5})?$/))),
  /** Any name but one that begins with a label: that would be refused by everyone else. */
  server_name: v.optional(
    v.pipe(
      v.string(),
      v.maxLength(200),
      v.check((name) => isServerName(name) && labelOf(name) === undefined),
    ),
  ),
  /** Needed where an identity was lost: what it left is removed for good. */
  abandon_former: v.optional(v.boolean()),
})
const restoration = v.strictObject({ file: v.unknown(), recovery_key: v.pipe(v.string(), v.maxLength(1000)) })

const actions: Readonly<Record<string, Action>> = {
  'GET status': status,
  'POST identity': create,
  'GET recovery': recovery,
  'POST restore': restore,
  'GET settings': async ({ instance }) => instance?.settings ?? {},
  'PUT settings': async (controlled, body) => {
    await controlled.configure(checked(storedSettingsSchema, body))
    return {}
  },
}

/** Whether a URL is one of the control API: of this origin's own pages, never reached from outside. */
export function isControlPath(url: string): boolean {
  return new URL(url).pathname.startsWith(prefix)
}

/** Answers a control request: what the homeserver is, giving it an identity, settings. Errors are written as Matrix writes them. */
export async function answerControl(request: Request, controlled: Controlled): Promise<Response> {
  try {
    const action = actions[`${request.method} ${new URL(request.url).pathname.slice(prefix.length)}`]
    if (!action) throw unrecognized(404)
    const body = request.body ? parseJson(await readBytes(request.body, bodyLimit)) : {}
    return Response.json(await action(controlled, body))
  } catch (failure) {
    if (failure instanceof MatrixError) return json(failure.body(), failure.status)
    throw failure
  }
}

async function status(controlled: Controlled): Promise<HostStatus> {
  const { state, instance } = controlled
  const { serverName, incarnation } = instance?.identity ?? {}
  return { state, server_name: serverName, incarnation, ...(await controlled.surroundings()) }
}

async function create(controlled: Controlled, body: unknown): Promise<object> {
  const { relay_domain: domain, server_name: serverName, abandon_former: fresh = false } = checked(creation, body)
  if (domain !== undefined && serverName !== undefined) throw badJson('A relay and a whole name were given')
  mayTakeIdentity(controlled, fresh)
  const { identity, recoveryKey } = await createIdentity(
    serverName !== undefined ? { kind: 'name', serverName } : domain !== undefined ? { kind: 'relay', domain } : { kind: 'label' },
  )
  // Looked at again: another page may have been quicker.
  mayTakeIdentity(controlled, fresh)
  await controlled.adopt(identity, { fresh })
  return { server_name: identity.serverName, recovery_key: recoveryKey, recovery_file: recoveryFileOf(identity) }
}

async function recovery({ instance }: Controlled): Promise<object> {
  if (!instance?.identity) throw notFound('There is no identity')
  return recoveryFileOf(instance.identity)
}

async function restore(controlled: Controlled, body: unknown): Promise<object> {
  const { file, recovery_key: recoveryKey } = checked(restoration, body)
  const identity = await restoreIdentity(file, recoveryKey)
  if (!identity) throw badJson('The file is broken, or the recovery key does not fit it')
  if (controlled.instance?.identity) throw forbidden('This homeserver has an identity')
  await controlled.adopt(identity, { fresh: false })
  return { server_name: identity.serverName, incarnation: identity.incarnation }
}

/** An identity that is gone is never replaced silently: the user has to say so. */
function mayTakeIdentity({ state }: Controlled, abandonFormer: boolean): void {
  if (state === 'no-identity' || (state === 'lost' && abandonFormer)) return
  throw forbidden(
    state === 'lost' ? 'An identity was lost here: restore it, or say that it is abandoned' : 'This homeserver has an identity',
  )
}

function checked<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  const [issue] = result.issues
  throw badJson(`${v.getDotPath(issue) ?? 'body'}: ${issue.message}`)
}
