/** A signature, and the imported key that it is to be checked with. */
export interface KeyCheck {
  readonly key: CryptoKey
  readonly signature: Uint8Array<ArrayBuffer>
  readonly message: Uint8Array<ArrayBuffer>
}

/** What the thread is asked. */
export interface ChecksOfKeys {
  readonly call: number
  readonly checks: readonly KeyCheck[]
}

/** What the thread answers: a verdict for each check, in order. */
export interface VerdictsOnThem {
  readonly call: number
  readonly verdicts: readonly boolean[]
}

/** How long the thread is kept without work. */
const idleMs = 10_000

interface Call {
  readonly resolve: (verdicts: readonly boolean[]) => void
  readonly reject: (reason: Error) => void
}

/** A worker beside this one that checks signatures: started with the first, ended when there have been none for a while. */
export class SignatureThread {
  readonly #calls = new Map<number, Call>()
  #worker: Worker | undefined
  #last = 0
  #idle: ReturnType<typeof setTimeout> | undefined

  /** One verdict for each check, in order. Rejects where there can be no such worker. */
  check(checks: readonly KeyCheck[]): Promise<readonly boolean[]> {
    clearTimeout(this.#idle)
    return new Promise((resolve, reject) => {
      const call = ++this.#last
      this.#calls.set(call, { resolve, reject })
      const asked: ChecksOfKeys = { call, checks }
      this.#started().postMessage(asked)
    })
  }

  #started(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(new URL('./signature-worker.ts', import.meta.url), { type: 'module', name: 'signatures' })
    worker.onmessage = ({ data: { call, verdicts } }: MessageEvent<VerdictsOnThem>) => {
      this.#calls.get(call)?.resolve(verdicts)
      this.#calls.delete(call)
      if (this.#calls.size === 0) this.#idle = setTimeout(() => this.#end(), idleMs)
    }
    worker.onerror = () => this.#end()
    this.#worker = worker
    return worker
  }

  #end(): void {
    this.#worker?.terminate()
    this.#worker = undefined
    for (const { reject } of this.#calls.values()) reject(new Error('the thread that checks signatures ended'))
    this.#calls.clear()
  }
}
