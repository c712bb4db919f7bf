const channelName = 'yurt-heartbeat'
const beatMs = 1000
/** After this long without a sign of life the leadership is taken away. */
const silenceMs = 10_000

/** Lets every tab host of the origin know that the leader's worker lives, for as long as `mayBeat` resolves. Returns the way to stop. */
export function startHeartbeat(mayBeat: () => Promise<void>): () => void {
  const channel = new BroadcastChannel(channelName)
  const beat = () =>
    mayBeat().then(
      () => channel.postMessage('alive'),
      () => undefined,
    )
  void beat()
  const beating = setInterval(beat, beatMs)
  return () => {
    clearInterval(beating)
    channel.close()
  }
}

/**
 * Resolves once no leader gave a sign of life for a while; never, once `signal` aborts.
 *
 * Judged twice in a row: a tab that was frozen itself finds the beats of meanwhile only after its first look.
 */
export function leaderIsSilent(signal: AbortSignal): Promise<void> {
  const channel = new BroadcastChannel(channelName)
  return new Promise((resolve) => {
    let lastBeat = Date.now()
    let strikes = 0
    channel.onmessage = () => {
      lastBeat = Date.now()
    }
    const stop = () => {
      clearInterval(looking)
      channel.close()
    }
    const looking = setInterval(() => {
      strikes = Date.now() - lastBeat > silenceMs ? strikes + 1 : 0
      if (strikes < 2) return
      stop()
      resolve()
    }, beatMs)
    signal.addEventListener('abort', stop, { once: true })
  })
}
