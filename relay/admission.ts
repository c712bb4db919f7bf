import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Label } from '../src/spec/self-certifying.ts'
import type { RelayConfig } from './config.ts'
import { writeSecret } from './secret-file.ts'

/** Whom the relay serves. */
export interface Admission {
  isAdmitted(label: Label, token: string | undefined): boolean
  /** A token to hand out, where one is asked for. */
  readonly token: string | undefined
}

/** Admission as configured. In mode `token` without any, one is made and kept in the data directory. */
export function createAdmission({ mode, tokens, labels }: RelayConfig['admission'], dataDir: string): Admission {
  if (mode === 'open') return { isAdmitted: () => true, token: undefined }
  if (mode === 'allowlist') {
    const listed = new Set(labels)
    return { isAdmitted: (label) => listed.has(label), token: undefined }
  }
  const accepted = tokens.length > 0 ? tokens : [ownToken(dataDir)]
  const digests = accepted.map(digest)
  return {
    isAdmitted: (_label, token) => token !== undefined && digests.filter((known) => timingSafeEqual(known, digest(token))).length > 0,
    token: accepted[0],
  }
}

function ownToken(dataDir: string): string {
  const file = join(dataDir, 'token')
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  const token = randomBytes(32).toString('base64url')
  writeSecret(file, token)
  return token
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
