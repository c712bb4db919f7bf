import type { Sample } from './sample.ts'
import type { World } from './world.ts'

type Prepare = (world: World) => Sample | Promise<Sample>

/**
 * What the tests know of one route. Each route of the endpoint table has a row; a new endpoint needs one, in the file of its
 * module. From it the route is held against the OpenAPI, asked by everyone who may not, and fuzzed.
 */
export interface Row {
  /** A request of Alice's about what is hers, that is answered with success. Prepares anew whatever it needs. */
  readonly request: Prepare
  /**
   * What comes of that very request when another user makes it:
   * - `refused`: 401, 403 or 404, and nothing changed;
   * - `own`: it is about whoever asks, and nothing of Alice's changed;
   * - `history`: whoever was never in the room is refused, whoever was sees what there was until they went;
   * - `anyone`: all may do this.
   *
   * No answer holds what only members of the room may see, whichever it is.
   */
  readonly others: 'refused' | 'own' | 'history' | 'anyone'
  /** Requests that fail, by status and error code: `404 M_NOT_FOUND`. A missing token need not be named. */
  readonly errors?: Readonly<Record<string, Prepare>>
  /** The status of success, where that is not 200. */
  readonly succeeds?: number
  /** There is no request on this route that fails by the specification. */
  readonly cannotFail?: true
}

export type Rows = Readonly<Record<string, Row>>
