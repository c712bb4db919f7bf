import type { ExchangePool } from '../src/http/exchange-pool.ts'
import { readBytes } from '../src/http/json-body.ts'
import { decodeJson, encodeJson, type Mail, mailsSchema, relayName } from '../src/http/relay-protocol.ts'
import type { WireResponse } from '../src/ports/federation-transport.ts'

/** Takes one transaction from the mailbox as if its origin had sent it now. */
export type MailReader = (mail: Mail, signal: AbortSignal) => Promise<WireResponse>

const batchTimeoutMs = 30_000
const maxBatchBytes = 64 << 20
/** Statuses after which trying again may help: the origin's keys could not be fetched, or we are overwhelmed. */
const transient = new Set([401, 408, 429])

/**
 * Fetches what waits in the mailbox and has it read; what was taken, or refused for good, is then deleted there. The rest stays
 * for the next time, with all that came later from the same origin: transactions are taken in order. Rejects when the relay
 * is gone.
 */
export async function collectMail(mailbox: ExchangePool, read: MailReader, signal: AbortSignal): Promise<void> {
  const blocked = new Set<string>()
  for (let after = 0; ; ) {
    const mails = await fetchBatch(mailbox, after, signal)
    const last = mails.at(-1)
    if (last === undefined) return
    after = last.id
    const taken: number[] = []
    for (const mail of mails) {
      if (blocked.has(mail.origin)) continue
      if (await isTaken(read(mail, signal))) taken.push(mail.id)
      else blocked.add(mail.origin)
    }
    if (taken.length > 0) await ask(mailbox, { method: 'DELETE', uri: '/mail', body: encodeJson({ ids: taken }) }, signal)
  }
}

async function isTaken(reading: Promise<WireResponse>): Promise<boolean> {
  try {
    const { status, body } = await reading
    if (body instanceof ReadableStream) await body.cancel()
    return status < 500 && !transient.has(status)
  } catch {
    return false
  }
}

async function fetchBatch(mailbox: ExchangePool, after: number, signal: AbortSignal): Promise<readonly Mail[]> {
  const body = await ask(mailbox, { method: 'GET', uri: `/mail?after=${after}` }, signal)
  const batch = decodeJson(mailsSchema, body)
  if (batch === undefined) throw new Error('The mailbox did not answer with mail')
  return batch.mails
}

async function ask(
  mailbox: ExchangePool,
  question: { readonly method: string; readonly uri: string; readonly body?: Uint8Array<ArrayBuffer> },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(batchTimeoutMs)])
  const { status, body } = await mailbox.request({ to: relayName, request: { ...question, headers: {} }, signal: limit })
  if (status !== 200) throw new Error(`The mailbox answered ${status}`)
  return body instanceof Uint8Array ? body : readBytes(body, maxBatchBytes)
}
