/** The value below which the share `q` of the figures lies. */
export function quantile(figures: readonly number[], q: number): number {
  const sorted = [...figures].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

export function median(figures: readonly number[]): number {
  return quantile(figures, 0.5)
}

/** One line: what was measured, what came out, and what to make of it. */
export function line(name: string, figure: string, note = ''): void {
  console.log(`${name.padEnd(58)}${figure}${note && ` (${note})`}`)
}

/** The raw figures of a row, below it. */
export function raw(name: string, figures: readonly number[]): void {
  console.log(`    ${name}: ${figures.map((figure) => figure.toFixed(1)).join(' ')}`)
}

/** How long each of `count` runs of `work` took, in milliseconds; runs before that are not counted. */
export async function times(count: number, work: () => unknown, before = 3): Promise<number[]> {
  const taken: number[] = []
  for (let run = -before; run < count; run++) {
    const began = performance.now()
    await work()
    if (run >= 0) taken.push(performance.now() - began)
  }
  return taken
}
