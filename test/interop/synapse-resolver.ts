import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type EventId, type StateKey, type StateMap, splitStateKey, stateKeyOf } from '../../src/spec/event.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import type { ResolvableEvent } from '../../src/spec/state-resolution.ts'
import { python } from './synapse.ts'

/** What Synapse is asked: to resolve states, and to judge attempts, each an event with the events of the state before it. */
interface Question {
  readonly rules: RoomVersionRules
  readonly events: Iterable<ResolvableEvent>
  readonly states: readonly StateMap[]
  readonly attempts?: readonly (readonly [EventId, readonly EventId[]])[]
  /** Whether the events count as stored in the database; otherwise as about to be. */
  readonly stored?: boolean
  /** How often it resolves: once, unless times are of interest. */
  readonly runs?: number
}

interface Answer {
  readonly state: Map<StateKey, EventId>
  /** For each attempt, whether the authorisation rules allow it. */
  readonly allowed: readonly boolean[]
  /** How long each resolution took, in milliseconds. */
  readonly ms: readonly number[]
  /** How much of that was spent in the script's stand-in for Synapse's database. */
  readonly storeMs: readonly number[]
}

/** Synapse's state resolution and authorisation rules, in a Python of their own. */
export class SynapseResolver {
  readonly #process: ChildProcess
  readonly #waiting: ((line: string) => void)[] = []

  constructor() {
    const script = join(import.meta.dirname, 'synapse-resolver.py')
    const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'ignore'] })
    this.#process = child
    createInterface({ input: child.stdout }).on('line', (line) => this.#waiting.shift()?.(line))
    child.once('exit', () => {
      for (const answer of this.#waiting.splice(0)) answer('{"error":"the resolver is gone"}')
    })
  }

  /** Throws where Synapse does. */
  async ask({ rules, events, states, attempts = [], stored = false, runs }: Question): Promise<Answer> {
    const question = {
      version: rules.version,
      events: [...events].map(({ event, rejected }) => ({ pdu: event.pdu, rejected })),
      states: states.map((state) => [...state].map(([key, eventId]) => [...Object.values(splitStateKey(key)), eventId])),
      attempts,
      stored,
      runs,
    }
    const line = new Promise<string>((resolve) => this.#waiting.push(resolve))
    this.#process.stdin?.write(`${JSON.stringify(question)}\n`)
    const answer: Omit<Answer, 'state'> & { error?: string; state: [string, string, EventId][] } = JSON.parse(await line)
    if (answer.error !== undefined) throw new Error(`Synapse: ${answer.error}`)
    return { ...answer, state: new Map(answer.state.map(([type, key, eventId]) => [stateKeyOf(type, key), eventId])) }
  }

  /** Ends the process. */
  stop(): void {
    this.#process.stdin?.end()
  }
}
