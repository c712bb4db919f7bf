import { leaderIsSilent } from './heartbeat.ts'

const lockName = 'yurt-leader'
const betweenTermsMs = 500

/**
 * Takes part in the election of the origin's leader, for as long as the page lives. `lead` is run whenever this tab is the
 * leader; when its signal aborts, it no longer is. When `lead` returns, the leadership is given up and sought again.
 *
 * The leader holds a Web Lock, so it is succeeded at once when its page goes. One that is frozen keeps the lock: it is taken
 * away after a bounded silence.
 */
export async function campaign(lead: (signal: AbortSignal) => Promise<void>): Promise<never> {
  for (;;) {
    const won = await standInLine(lead)
    if (!won) await serveTerm({ steal: true }, lead)
    await new Promise((resolve) => setTimeout(resolve, betweenTermsMs))
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
  // Rejects when another tab takes the lock away, and when waiting for it is aborted.
  await navigator.locks.request(lockName, options, () => lead(term.signal)).catch(() => undefined)
  term.abort()
}
