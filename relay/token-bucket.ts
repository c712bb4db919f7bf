/** Allows so many a minute for each key, and as many at once. */
export interface RateLimit {
  /** Takes one for `key`; `false` if there is none left. */
  take(key: string): boolean
}

const maxKeys = 100_000

export function createRateLimit(perMinute: number, now: () => number): RateLimit {
  const buckets = new Map<string, { left: number; at: number }>()
  return {
    take: (key) => {
      const before = buckets.get(key) ?? { left: perMinute, at: now() }
      const refilled = Math.min(perMinute, before.left + ((now() - before.at) * perMinute) / 60_000)
      buckets.delete(key)
      // The key that was quiet for longest is forgotten first, and most likely full again.
      const [oldest] = buckets.keys()
      if (buckets.size >= maxKeys && oldest !== undefined) buckets.delete(oldest)
      buckets.set(key, { left: Math.max(0, refilled - 1), at: now() })
      return refilled >= 1
    },
  }
}
