import { badJson, notJson } from '../spec/errors.ts'
import type { JsonValue } from '../spec/json.ts'
import { joinBytes } from './join-bytes.ts'
import { parseJson } from './json-body.ts'

/** Elements of one of the lists, in their order. */
export interface ListPart {
  readonly list: string
  readonly elements: readonly JsonValue[]
}

type Bytes = Uint8Array<ArrayBuffer>

/** Bytes of a key that are looked at: those of the lists are shorter. */
const longestKey = 256
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads a JSON object while its bytes arrive, in pieces of any size: the elements of the lists under some of its keys are handed
 * over piece by piece, everything else at the end. What it finds is what `JSON.parse` finds; but a list that comes twice is an
 * error. Until the end has come, nothing says that all of it is JSON.
 */
export class JsonLists {
  readonly #lists: ReadonlySet<string>
  readonly #nestingLimit: number
  readonly #seen = new Set<string>()
  /** All but the elements of the lists. */
  readonly #frame: Bytes[] = []
  #depth = 0
  #isQuoted = false
  #isEscaped = false
  /** The string at the top level that was read last: a key, if a colon follows. */
  #string: number[] = []
  /** The list that begins if a bracket comes next. */
  #due: string | undefined
  /** The list that is being read, what of its elements is not handed over yet, and whether it had any. */
  #list: string | undefined
  #rest: Bytes[] = []
  #hasElements = false

  constructor(lists: Iterable<string>, nestingLimit: number) {
    this.#lists = new Set(lists)
    this.#nestingLimit = nestingLimit
  }

  /** The elements that `bytes` completes. Throws `M_NOT_JSON` or `M_BAD_JSON`; the reader is then of no use any more. */
  push(bytes: Bytes): ListPart[] {
    const parts: ListPart[] = []
    /** Where what belongs to the list, or to the frame, begins in these bytes. */
    let from = 0
    let commas = 0
    let lastComma = 0
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0
      if (this.#isQuoted) this.#quoted(byte)
      else if (byte === 0x22) this.#quote()
      else if (byte === 0x5b && this.#due !== undefined) {
        this.#begin(this.#due)
        this.#frame.push(bytes.slice(from, i + 1))
        from = i + 1
        commas = 0
      } else if (byte === 0x5b || byte === 0x7b) this.#deeper()
      else if (byte === 0x2c && this.#list !== undefined && this.#depth === 2) {
        commas++
        lastComma = i
      } else if (byte === 0x5d && this.#list !== undefined && this.#depth === 2) {
        parts.push(this.#part(bytes.subarray(from, i), { commas, isLast: true }))
        this.#list = undefined
        this.#depth = 1
        from = i
      } else if (byte === 0x5d || byte === 0x7d) this.#shallower()
      else if (byte === 0x3a && this.#depth === 1) this.#colon()
      else if (byte > 0x20) this.#due = undefined
    }
    if (this.#list === undefined) this.#frame.push(bytes.slice(from))
    else {
      if (commas > 0) parts.push(this.#part(bytes.subarray(from, lastComma), { commas: commas - 1, isLast: false }))
      this.#rest.push(bytes.slice(commas > 0 ? lastComma + 1 : from))
    }
    return parts.filter(({ elements }) => elements.length > 0)
  }

  /** The object, its lists empty. Throws if it is none. */
  end(): JsonValue {
    if (this.#list !== undefined) throw notJson()
    return parseJson(joinBytes(this.#frame), this.#nestingLimit)
  }

  #quoted(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (byte === 0x5c) this.#isEscaped = true
    else if (byte === 0x22) this.#isQuoted = false
    if (this.#depth === 1 && this.#string.length <= longestKey) this.#string.push(byte)
  }

  #quote(): void {
    this.#isQuoted = true
    this.#due = undefined
    if (this.#depth === 1) this.#string = [0x22]
  }

  #colon(): void {
    const key = parsedKey(this.#string)
    this.#due = key !== undefined && this.#lists.has(key) ? key : undefined
  }

  #begin(list: string): void {
    if (this.#seen.has(list)) throw badJson(`The body has ${list} twice`)
    this.#seen.add(list)
    this.#list = list
    this.#hasElements = false
    this.#due = undefined
    this.#depth = 2
  }

  #deeper(): void {
    this.#due = undefined
    if (++this.#depth > this.#nestingLimit) throw badJson(`The body nests deeper than ${this.#nestingLimit} levels`)
  }

  #shallower(): void {
    this.#due = undefined
    this.#depth--
    if (this.#list !== undefined && this.#depth < 2) throw notJson()
  }

  /** The elements up to a comma or the end of the list, and how many commas are between them: the parser must see as many. */
  #part(bytes: Bytes, { commas, isLast }: { readonly commas: number; readonly isLast: boolean }): ListPart {
    const text = decoded(joinBytes([...this.#rest, bytes]))
    this.#rest = []
    const isEmpty = isLast && commas === 0 && !this.#hasElements && text.trim() === ''
    const elements = parsedList(text)
    if (!isEmpty && elements.length !== commas + 1) throw notJson()
    this.#hasElements = true
    return { list: this.#list ?? '', elements }
  }
}

function decoded(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw notJson('The body is not UTF-8')
  }
}

function parsedList(text: string): JsonValue[] {
  try {
    return JSON.parse(`[${text}]`)
  } catch {
    throw notJson()
  }
}

function parsedKey(bytes: readonly number[]): string | undefined {
  try {
    return JSON.parse(decoder.decode(Uint8Array.from(bytes)))
  } catch {
    return undefined
  }
}
