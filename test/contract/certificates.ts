import 'reflect-metadata'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'

export interface TestCertificate {
  readonly cert: string
  readonly key: string
}

export interface TestAuthority {
  /** PEM. */
  readonly certificate: string
  /** A certificate for these host names and addresses. */
  issue(...names: string[]): Promise<TestCertificate>
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const hourMs = 3600_000

/** A private certificate authority for a test. */
export async function createAuthority(): Promise<TestAuthority> {
  x509.cryptoProvider.set(crypto)
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const span = { notBefore: new Date(Date.now() - hourMs), notAfter: new Date(Date.now() + hourMs) }
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...span,
    name: 'CN=Test authority',
    serialNumber: '01',
    keys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)],
  })
  let serial = 1
  return {
    certificate: authority.toString('pem'),
    issue: async (...names) => {
      const own = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const certificate = await x509.X509CertificateGenerator.create({
        ...span,
        subject: 'CN=Test',
        issuer: authority.subject,
        serialNumber: (++serial).toString(16).padStart(2, '0'),
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [new x509.SubjectAlternativeNameExtension(names.map(alternativeName))],
      })
      const exported = Buffer.from(await crypto.subtle.exportKey('pkcs8', own.privateKey)).toString('base64')
      const key = `-----BEGIN PRIVATE KEY-----\n${exported.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
      return { cert: certificate.toString('pem'), key }
    },
  }
}

function alternativeName(value: string): { readonly type: 'dns' | 'ip'; readonly value: string } {
  return { type: isIP(value) === 0 ? 'dns' : 'ip', value }
}
