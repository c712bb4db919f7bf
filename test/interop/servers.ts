import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keptCertificate } from '../../headless/certificates.ts'
import { freePort } from './free-port.ts'
import { Synapse } from './synapse.ts'
import { Yurt } from './yurt.ts'

export interface ConnectedServers {
  readonly synapse: Synapse
  readonly yurt: Yurt
  stop(): Promise<void>
}

/** Starts both, each trusting the other's certificate. */
export async function connectServers(): Promise<ConnectedServers> {
  const dir = await mkdtemp(join(tmpdir(), 'yurt-interop-'))
  const [synapsePort, clientPort, yurtPort] = [await freePort(), await freePort(), await freePort()]
  // Both are called localhost, on ports of their own: one certificate serves both.
  const tls = await keptCertificate(join(dir, 'tls'), 'localhost')
  const trustedCa = await readFile(join(dir, 'tls', 'ca.pem'), 'utf8')
  const synapse = new Synapse({ dir: join(dir, 'synapse'), federationPort: synapsePort, clientPort, tls, trustedCa })
  const yurt = new Yurt({ federationPort: yurtPort, tls, trustedCa })
  await Promise.all([yurt.start(), synapse.start()])
  return {
    synapse,
    yurt,
    stop: async () => {
      await yurt.stop()
      await synapse.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
