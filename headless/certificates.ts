import 'reflect-metadata'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const validMs = 10 * 365 * 86_400_000

/**
 * The certificate of a homeserver that was given none: signed by a CA of its own that is kept, as `ca.pem`, in its data
 * directory, and made at the first start.
 */
export async function keptCertificate(dataDir: string, serverName: string): Promise<TlsFiles> {
  const files = { cert: join(dataDir, 'tls.crt'), key: join(dataDir, 'tls.key') }
  try {
    return { cert: await readFile(files.cert, 'utf8'), key: await readFile(files.key, 'utf8') }
  } catch {
    const { ca, cert, key } = await makeCertificate(serverName)
    await mkdir(dataDir, { recursive: true })
    await writeFile(join(dataDir, 'ca.pem'), ca)
    await writeFile(files.cert, cert)
    await writeFile(files.key, key, { mode: 0o600 })
    return { cert, key }
  }
}

async function makeCertificate(serverName: string): Promise<TlsFiles & { readonly ca: string }> {
  x509.cryptoProvider.set(crypto)
  const host = serverName.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  const caKeys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const span = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + validMs) }
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...span,
    // Each CA has a name of its own: verifiers find the issuer by it.
    name: `CN=Yurt headless CA of ${host}`,
    serialNumber: '01',
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)],
  })
  const leaf = await x509.X509CertificateGenerator.create({
    ...span,
    subject: 'CN=Yurt headless homeserver',
    issuer: ca.subject,
    serialNumber: '02',
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: isIP(host) ? 'ip' : 'dns', value: host },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  })
  const exported = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${exported.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
  return { ca: ca.toString('pem'), cert: `${leaf.toString('pem')}\n${ca.toString('pem')}\n`, key }
}
