import type { WireRequest } from '../../src/ports/federation-transport.ts'
import { isObject, type JsonValue } from '../../src/spec/json.ts'

const sendPath = '/_matrix/federation/v1/send/'

/** Watches that no server uses one transaction id for two different lots of events. */
export class TransactionLedger {
  readonly #lots = new Map<string, string>()
  readonly reused: string[] = []

  sent(from: string, to: string, { uri, body }: WireRequest): void {
    if (!uri.startsWith(sendPath) || !body) return
    const transaction: JsonValue = JSON.parse(new TextDecoder().decode(body))
    const pdus = isObject(transaction) && Array.isArray(transaction.pdus) ? transaction.pdus : []
    const name = `${from} → ${to} ${uri.slice(sendPath.length)}`
    const lot = pdus.map(nameOf).join()
    const before = this.#lots.get(name)
    if (before !== undefined && before !== lot) this.reused.push(name)
    this.#lots.set(name, lot)
  }
}

/** What a redaction takes between two attempts makes no other event: its hash stays. */
function nameOf(pdu: JsonValue): string {
  return isObject(pdu) && isObject(pdu.hashes) ? String(pdu.hashes.sha256) : ''
}
