import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keptCertificate } from '../../headless/certificates.ts'
import { freePort } from '../interop/free-port.ts'
import { installSynapse, Synapse } from '../interop/synapse.ts'
import { type ClientTimes, caller, measure, prepare, type Size } from './workload.ts'

/** The same work, done by Synapse on SQLite, asked by Node over plain HTTP on loopback; or why it was not. */
export async function measureSynapse(size: Size): Promise<ClientTimes | string> {
  const missing = await installSynapse()
  if (missing !== undefined) return missing
  const directory = await mkdtemp(join(tmpdir(), 'yurt-bench-synapse-'))
  const [federationPort, clientPort] = [await freePort(), await freePort()]
  const tls = await keptCertificate(join(directory, 'tls'), 'localhost')
  const trustedCa = await readFile(join(directory, 'tls', 'ca.pem'), 'utf8')
  const synapse = new Synapse({ dir: join(directory, 'synapse'), federationPort, clientPort, tls, trustedCa })
  await synapse.start()
  try {
    const call = caller(synapse.url)
    const [bench, other] = [await synapse.register('bench'), await synapse.register('other')]
    return await measure(call, await prepare(call, { token: bench.token, otherToken: other.token }, size))
  } finally {
    await synapse.stop()
    await rm(directory, { recursive: true, force: true })
  }
}
