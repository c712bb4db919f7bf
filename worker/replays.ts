const rememberedMs = 10 * 60_000
const rememberedCount = 1000

/** A response that can be given again. */
type Answer = () => Response

/** Answers of mutating requests, kept for ten minutes: a request that comes again gets the answer it had, and is not run twice. */
export class Replays {
  readonly #answers = new Map<string, { readonly since: number; readonly answer: Promise<Answer> }>()

  /** The answer that `requestId` had or is about to have; else runs the request. */
  async once(requestId: string, run: () => Promise<Response>): Promise<Response> {
    const known = this.#answers.get(requestId)
    if (known) return (await known.answer)()
    this.#forget()
    const answer = run().then(repeatable)
    this.#answers.set(requestId, { since: Date.now(), answer })
    answer.catch(() => this.#answers.delete(requestId))
    return (await answer)()
  }

  #forget(): void {
    for (const [requestId, { since }] of this.#answers) {
      if (this.#answers.size < rememberedCount && Date.now() - since < rememberedMs) return
      this.#answers.delete(requestId)
    }
  }
}

async function repeatable(response: Response): Promise<Answer> {
  const body = response.body ? await response.arrayBuffer() : null
  return () => new Response(body, response)
}
