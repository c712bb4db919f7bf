import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from '@playwright/test'
import { chromiumArguments, chromiumPath } from '../../scripts/chromium.ts'
import { startStaticServer } from '../../scripts/serve.ts'
import { buildSite } from '../browser/support/site.ts'
import { createAuthority } from '../contract/certificates.ts'
import { freePort } from './free-port.ts'
import { RelayProgram } from './relay-program.ts'
import { Synapse } from './synapse.ts'
import { Tab } from './tab.ts'

export interface TabServers {
  readonly tab: Tab
  readonly relay: RelayProgram
  readonly synapse: Synapse
  stop(): Promise<void>
}

const domain = 'relay.test'

/**
 * A homeserver in a tab of a real browser, the relay in front of it, and a Synapse beside it. What the tab and Synapse have
 * to say to each other goes through the relay, by TLS whose certificates a private authority gave.
 */
export async function startTabServers(): Promise<TabServers> {
  const dir = await mkdtemp(join(tmpdir(), 'yurt-interop-tab-'))
  const cleanUps: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })]
  const stop = async (): Promise<void> => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  }
  try {
    const [libp2pPort, relayPort, synapsePort, clientPort] = [await freePort(), await freePort(), await freePort(), await freePort()]
    const authority = await createAuthority()
    const tls = await authority.issue('localhost', '127.0.0.1', `*.${domain}`)
    const files = await write(dir, { ...tls, ca: authority.certificate })

    const relay = new RelayProgram(join(dir, 'relay'))
    cleanUps.push(() => relay.end('SIGKILL'))
    await relay.configure({
      domain,
      libp2p: { port: libp2pPort },
      federation: { port: relayPort, tls: { certFile: files.cert, keyFile: files.key } },
      trustedCaFiles: [files.ca],
      allowPrivateAddresses: true,
    })

    const trusted = { tls, trustedCa: authority.certificate, domainHere: domain }
    const synapse = new Synapse({ dir: join(dir, 'synapse'), federationPort: synapsePort, clientPort, ...trusted })
    cleanUps.push(() => synapse.stop())

    const directory = await buildSite('real', ['test/browser/site/app.html'])
    cleanUps.push(() => rm(directory, { recursive: true, force: true }))
    const pages = await startStaticServer({ directory, port: 0 })
    cleanUps.push(() => pages.close())
    const executablePath = chromiumPath()
    const browser = await chromium.launch({ args: chromiumArguments(), ...(executablePath === undefined ? {} : { executablePath }) })
    cleanUps.push(() => browser.close())

    await Promise.all([relay.start(), synapse.start()])
    const tab = new Tab(await browser.newContext(), `${pages.url}/app.html`)
    await tab.open()
    await tab.createHomeserver(`${domain}:${relayPort}`, relay.ready)
    return { tab, relay, synapse, stop }
  } catch (failure) {
    await stop()
    throw failure
  }
}

async function write(dir: string, contents: { cert: string; key: string; ca: string }): Promise<typeof contents> {
  await mkdir(join(dir, 'relay'))
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(dir, name), text)
    return join(dir, name)
  }
  return {
    cert: await file('tls.crt', contents.cert),
    key: await file('tls.key', contents.key),
    ca: await file('ca.pem', contents.ca),
  }
}
