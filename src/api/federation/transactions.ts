import * as v from 'valibot'
import type { ReceivedTransactions } from '../../federation/received-transactions.ts'
import type { ServerView } from '../../federation/server-view.ts'
import { mostEdus, mostPdus } from '../../federation/transaction.ts'
import { type Endpoint, forServer } from '../../http/endpoint.ts'
import type { Logger } from '../../ports/logger.ts'
import { nestsWithin } from '../../spec/canonical-json.ts'
import { invalidParam, limitExceeded } from '../../spec/errors.ts'
import type { EventId, ServerName } from '../../spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../../spec/json.ts'
import type { EduHandler } from '../../streams/edu.ts'
import { pduNestingLimit } from './inputs.ts'

export interface TransactionDeps {
  readonly receiver: { receive(origin: ServerName, pdus: readonly JsonValue[]): Promise<Record<EventId, { error?: string }>> }
  /** Told of all PDUs before the receiver is, which knows nothing of rooms that we are not in. */
  readonly withdrawals: { receive(pdus: readonly JsonValue[]): Promise<void> }
  /** By EDU type; the others are passed over. */
  readonly eduHandlers: Readonly<Record<string, EduHandler>>
  readonly transactions: ReceivedTransactions
  readonly view: ServerView
  readonly logger: Logger
}

/** How deep an EDU may nest; a deeper one is passed over. */
const eduNestingLimit = 100
const transaction = v.looseObject({
  origin: v.optional(v.string()),
  origin_server_ts: v.optional(v.number()),
  pdus: v.pipe(v.array(v.unknown()), v.maxLength(mostPdus)),
  edus: v.optional(v.pipe(v.array(v.unknown()), v.maxLength(mostEdus))),
})

/** `PUT /send/{txnId}` (Server-Server API, "Transactions"). */
export function transactionEndpoints(deps: TransactionDeps): Endpoint[] {
  return [
    forServer({
      method: 'PUT',
      path: '/_matrix/federation/v1/send/:txnId',
      body: v.custom<JsonObject>((body) => v.is(transaction, body), 'not a transaction of at most 50 PDUs and 100 EDUs'),
      bodyLimit: 16 << 20,
      nestingLimit: pduNestingLimit,
      handle: async ({ server, params: { txnId = '' }, body: { pdus, edus } }) => {
        if (txnId.length > 500) throw invalidParam('The transaction id is too long')
        const response = await deps.transactions.respond(server, txnId, async () => {
          const received = Array.isArray(pdus) ? pdus : []
          await deps.withdrawals.receive(received)
          const results = await deps.receiver.receive(server, received)
          for (const edu of Array.isArray(edus) ? edus : []) await handleEdu(server, edu, deps)
          return { pdus: results }
        })
        if (response === undefined) throw limitExceeded(1_000)
        return response
      },
    }),
  ]
}

async function handleEdu(origin: ServerName, edu: JsonValue, deps: TransactionDeps): Promise<void> {
  if (!isObject(edu) || typeof edu.edu_type !== 'string' || !isObject(edu.content) || !nestsWithin(edu, eduNestingLimit)) return
  const handler = Object.hasOwn(deps.eduHandlers, edu.edu_type) ? deps.eduHandlers[edu.edu_type] : undefined
  const content = handler && (await allowedPart(origin, { type: edu.edu_type, content: edu.content }, deps.view))
  if (!handler || !content) return
  try {
    await handler(origin, content)
  } catch (failure) {
    deps.logger.log('error', 'an EDU could not be dealt with', { type: edu.edu_type, origin, reason: String(failure) })
  }
}

/** EDUs that are local to rooms, without the rooms whose ACL bans the server. */
async function allowedPart(
  origin: ServerName,
  edu: { type: string; content: JsonObject },
  view: ServerView,
): Promise<JsonObject | undefined> {
  const { type, content } = edu
  if (type === 'm.typing') return (await view.isBanned(origin, String(content.room_id))) ? undefined : content
  if (type !== 'm.receipt') return content
  const rooms = Object.keys(content).slice(0, 1_000)
  const banned = await Promise.all(rooms.map((roomId) => view.isBanned(origin, roomId)))
  return Object.fromEntries(rooms.flatMap((roomId, i) => (banned[i] ? [] : [[roomId, content[roomId] ?? null]])))
}
