import type { SerializedError } from 'vitest'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { writeResults } from './layer-results.ts'

/** Hands Vitest's results to `npm test`. */
export default class VitestReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const inState = (state: string) => tests.filter((test) => test.result().state === state)
    writeResults({
      passed: inState('passed').length,
      failed: [
        ...inState('failed').map(nameOf),
        ...inState('pending').map((test) => `${nameOf(test)} (did not finish)`),
        ...modules.flatMap((module) => module.errors().map((error) => `${module.relativeModuleId}: ${error.message}`)),
        ...modules.flatMap((module) =>
          [...module.children.allSuites()].flatMap((suite) => suite.errors().map((error) => `${suite.fullName}: ${error.message}`)),
        ),
        ...unhandledErrors.map((error) => `Unhandled: ${error.message}`),
      ],
      skipped: inState('skipped').map((test) => ({ name: nameOf(test), reason: skipReason(test) })),
    })
  }
}

function nameOf(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`
}

function skipReason(test: TestCase): string {
  const result = test.result()
  return result.state === 'skipped' ? (result.note ?? '') : ''
}
