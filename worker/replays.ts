import type { KeepAnswer } from '../src/http/endpoint.ts'
import { json } from '../src/http/router.ts'
import { put, removeRange, type Storage } from '../src/ports/storage.ts'
import type { JsonObject } from '../src/spec/json.ts'
import { hashOf } from '../src/users/tokens.ts'
import { keptAnswers } from './schema.ts'
import { openAnswer, type SealedAnswer, sealAnswer } from './sealed-answer.ts'

const rememberedMs = 10 * 60_000
const rememberedCount = 1000

/** A response that can be given again. */
type Answer = () => Response

/**
 * Answers of mutating requests, kept for ten minutes: a request that comes again gets the answer it had, and is not run twice.
 * They are in memory for as long as this worker lives; what an endpoint keeps in the commit of its effect, the next one finds.
 * There may be access tokens in it: it is sealed, and can be opened only with the request id, which is known to whoever repeats
 * the request, and written nowhere.
 */
export class Replays {
  readonly #answers = new Map<string, { readonly since: number; readonly answer: Promise<Answer> }>()
  /** What the leaders before left, by the hash of the request id. */
  readonly #stored = new Map<string, { readonly since: number; readonly sealed: SealedAnswer }>()
  /** When the oldest stored answer was kept. */
  #oldest = Number.POSITIVE_INFINITY

  /** Those that the leaders before left. */
  static async open(storage: Storage, now = Date.now()): Promise<Replays> {
    const rows = await storage.read([keptAnswers], (tx) => tx.range(keptAnswers, {}))
    const replays = new Replays()
    for (const [[since, hash], sealed] of rows) {
      replays.#oldest = Math.min(replays.#oldest, since)
      if (now - since < rememberedMs) replays.#stored.set(hash, { since, sealed })
    }
    return replays
  }

  /** The answer that `requestId` had or is about to have; else runs the request. */
  async once(requestId: string, run: (keep: KeepAnswer) => Promise<Response>): Promise<Response> {
    const known = this.#answers.get(requestId)
    if (known) return (await known.answer)()
    const stored = this.#stored.size > 0 ? this.#stored.get(hashOf(requestId)) : undefined
    if (stored && Date.now() - stored.since < rememberedMs) return answerOf(openAnswer(stored.sealed, requestId))
    this.#forget()
    const answer = run((answer) => this.#writes(requestId, answer)).then(repeatable)
    this.#answers.set(requestId, { since: Date.now(), answer })
    answer.catch(() => this.#answers.delete(requestId))
    return (await answer)()
  }

  /** The row of an answer; those that are too old go with it. */
  #writes(requestId: string, answer: JsonObject) {
    const now = Date.now()
    const isAnyOld = now - this.#oldest > rememberedMs
    this.#oldest = Math.min(now, isAnyOld ? now : this.#oldest)
    const over = isAnyOld ? [removeRange(keptAnswers, { before: [now - rememberedMs, ''] })] : []
    return [...over, put(keptAnswers, [now, hashOf(requestId)], sealAnswer(answer, requestId))]
  }

  #forget(): void {
    for (const [requestId, { since }] of this.#answers) {
      if (this.#answers.size < rememberedCount && Date.now() - since < rememberedMs) return
      this.#answers.delete(requestId)
    }
  }
}

function answerOf(answer: JsonObject): Response {
  const response = json(answer, 200)
  response.headers.set('access-control-allow-origin', '*')
  return response
}

async function repeatable(response: Response): Promise<Answer> {
  const body = response.body ? await response.arrayBuffer() : null
  return () => new Response(body, response)
}
