import { leaderIsSilent } from './heartbeat.ts'

const lockName = 'yurt-leader'
const shortestPauseMs = 500
const longestPauseMs = 30_000
/** A term that lasted this long was not a false start. */
const goodTermMs = 10_000

/**
 * Takes part in the election of the origin's leader, for as long as the page lives. `lead` is run whenever this tab is the
 * leader; when its signal aborts, it no longer is. When `lead` returns, the leadership is given up and sought again.
 *
 * The leader holds a Web Lock, so it is succeeded at once when its page goes. One that is frozen keeps the lock: it is taken
 * away after a bounded silence.
 */
export async function campaign(lead: (signal: AbortSignal) => Promise<void>): Promise<never> {
  let pauseMs = shortestPauseMs
  const timed = async (signal: AbortSignal): Promise<void> => {
    const start = Date.now()
    // Terms that fail at once, with a broken store perhaps, come ever more seldom.
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    await lead(signal)
    if (Date.now() - start > goodTermMs) pauseMs = shortestPauseMs
  }
  for (;;) {
    const won = await standInLine(timed)
    if (!won) await serveTerm({ steal: true }, timed)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** Waits for the lock and leads; `false` if instead the leader fell silent. */
async function standInLine(lead: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
  const waiting = new AbortController()
  let won = false
  void leaderIsSilent(waiting.signal).then(() => waiting.abort())
  await serveTerm({ signal: waiting.signal }, (signal) => {
    won = true
    waiting.abort()
    return lead(signal)
  })
  return won
}

/** Leads for as long as the lock is held. Returns as well when the lock was not to be had. */
async function serveTerm(options: LockOptions, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const term = new AbortController()
  await navigator.locks
    .request(lockName, options, () => lead(term.signal))
    .catch((failure: unknown) => {
      // That another tab takes the lock away, or that waiting for it is given up, is as it should be.
      if (!(failure instanceof DOMException && failure.name === 'AbortError')) console.error('the homeserver could not be started', failure)
    })
  term.abort()
}
