import type { FullConfig, Reporter, Suite, TestCase, TestError } from '@playwright/test/reporter'
import { writeResults } from './layer-results.ts'

/** Hands Playwright's results to `npm test`. */
export default class PlaywrightReporter implements Reporter {
  #root: Suite | undefined
  readonly #errors: string[] = []

  onBegin(_config: FullConfig, suite: Suite): void {
    this.#root = suite
  }

  onError(error: TestError): void {
    this.#errors.push(error.message ?? String(error.value))
  }

  onEnd(): void {
    const tests = this.#root?.allTests() ?? []
    const withOutcome = (outcome: ReturnType<TestCase['outcome']>) => tests.filter((test) => test.outcome() === outcome)
    writeResults({
      passed: withOutcome('expected').length,
      failed: [...[...withOutcome('unexpected'), ...withOutcome('flaky')].map(nameOf), ...this.#errors],
      skipped: withOutcome('skipped').map((test) => ({ name: nameOf(test), reason: skipReason(test) })),
    })
  }
}

function nameOf(test: TestCase): string {
  return test
    .titlePath()
    .filter((part) => part !== '')
    .join(' > ')
}

function skipReason(test: TestCase): string {
  return (
    [...test.annotations, ...test.results.flatMap((result) => result.annotations)].find(({ type }) => type === 'skip')?.description ?? ''
  )
}
