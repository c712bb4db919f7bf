/** Throws unless the two are the same as JSON would write them, `undefined` apart. */
export function equal(actual: unknown, expected: unknown): void {
  const [left, right] = [written(actual), written(expected)]
  if (left !== right) throw new Error(`expected ${right}, got ${left}`)
}

/** The error with which `promise` rejects; throws when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const failure = await promise.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  )
  if (!failure) throw new Error('expected a rejection')
  return failure
}

function written(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (part === undefined ? '(undefined)' : part)) ?? '(undefined)'
}
