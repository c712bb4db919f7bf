import type { ChecksOfKeys, VerdictsOnThem } from './signature-thread.ts'

/** Checks signatures for the homeserver worker, which does other things meanwhile: Chromium's WebCrypto blocks the thread that asks. */
self.addEventListener('message', async ({ data: { call, checks } }: MessageEvent<ChecksOfKeys>) => {
  const verdicts = checks.map(({ key, signature, message }) => crypto.subtle.verify('Ed25519', key, signature, message).catch(() => false))
  const answer: VerdictsOnThem = { call, verdicts: await Promise.all(verdicts) }
  self.postMessage(answer)
})
