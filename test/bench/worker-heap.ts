import { chromium } from '@playwright/test'
import { chromiumArguments, chromiumPath } from '../../scripts/chromium.ts'

/**
 * The JavaScript heap of the homeserver worker in MB, garbage collected before: of the page at `url` on a profile that is kept,
 * once `ready` resolves. A debugger is attached, so that nothing is timed there.
 */
export async function workerHeapMb(url: string, profileDirectory: string, ready: () => Promise<unknown>): Promise<number> {
  const executablePath = chromiumPath()
  const options = { args: chromiumArguments(), ...(executablePath === undefined ? {} : { executablePath }) }
  const browser = await chromium.launchPersistentContext(profileDirectory, options)
  try {
    const page = await browser.newPage()
    const session = await browser.newCDPSession(page)
    const worker = new Promise<string>((resolve) => {
      session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
        if (targetInfo.type === 'worker' && targetInfo.url.includes('homeserver-worker')) resolve(sessionId)
      })
    })
    await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false })
    const done = ready()
    await page.goto(url)
    await done
    const sessionId = await worker
    let id = 0
    const ask = async (method: string): Promise<Readonly<Record<string, unknown>>> => {
      const message = { id: ++id, method }
      const answer = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
        session.on('Target.receivedMessageFromTarget', ({ message: text }) => {
          const told: { id?: number; result?: Readonly<Record<string, unknown>> } = JSON.parse(text)
          if (told.id === message.id) resolve(told.result ?? {})
        })
      })
      await session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify(message) })
      return answer
    }
    await ask('HeapProfiler.enable')
    await ask('HeapProfiler.collectGarbage')
    const { usedSize, backingStorageSize = 0 } = await ask('Runtime.getHeapUsage')
    return (Number(usedSize) + Number(backingStorageSize)) / 2 ** 20
  } finally {
    await browser.close()
  }
}
