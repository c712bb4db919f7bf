import { writeFileSync } from 'node:fs'

/** What one test runner reports when it is done. */
export interface LayerResults {
  readonly passed: number
  /** The names of the tests that failed, and of the files that could not run. */
  readonly failed: readonly string[]
  readonly skipped: readonly SkippedTest[]
}

export interface SkippedTest {
  readonly name: string
  /** Empty where the test did not say why. */
  readonly reason: string
}

/** The environment variable that tells a reporter where to write. */
export const resultsFileVariable = 'YURT_TEST_RESULTS'

/** Writes the results where `npm test` asked for them; does nothing when a runner was started by hand. */
export function writeResults(results: LayerResults): void {
  const file = process.env[resultsFileVariable]
  if (file !== undefined) writeFileSync(file, JSON.stringify(results))
}
