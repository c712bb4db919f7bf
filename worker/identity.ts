import * as v from 'valibot'
import type { Signer } from '../src/ports/signer.ts'
import { decodeBase64, encodeBase64 } from '../src/spec/base64.ts'
import { labelOfPublicKey } from '../src/spec/self-certifying.ts'
import { isServerName } from '../src/spec/server-name.ts'
import { decodeRecoveryKey, encodeRecoveryKey } from './recovery-key.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** The private key, readable only with the recovery key that the user was shown. */
export interface WrappedKey {
  readonly salt: Bytes
  readonly iv: Bytes
  readonly ciphertext: Bytes
}

/** Who this homeserver is. */
export interface Identity {
  readonly serverName: string
  /** Raw, 32 bytes. */
  readonly publicKey: Bytes
  /** Signs, and cannot be read out. */
  readonly privateKey: CryptoKey
  /** Grows with every import or restore: of two copies the one with the higher number is the homeserver. */
  readonly incarnation: number
  readonly wrapped: WrappedKey
}

/** What the server name is to be: the label alone, the label below a relay's domain, or any name at all. */
export type NameChoice =
  | { readonly kind: 'label' }
  | { readonly kind: 'relay'; readonly domain: string }
  | { readonly kind: 'name'; readonly serverName: string }

const recoveryFile = v.object({
  server_name: v.pipe(v.string(), v.check(isServerName)),
  public_key: v.string(),
  incarnation: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  salt: v.string(),
  iv: v.string(),
  ciphertext: v.string(),
})

/** What is kept outside the browser: with the recovery key it brings the identity back. */
export type RecoveryFile = v.InferOutput<typeof recoveryFile>

/** PKCS#8 of an Ed25519 private key is this, and then the 32 bytes of its seed (RFC 8410). */
const pkcs8Header = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20)

/**
 * Makes a new identity. The private key is kept twice: as a key that cannot be read out, and wrapped under the recovery key
 * that is returned and nowhere kept.
 */
export async function createIdentity(choice: NameChoice): Promise<{ readonly identity: Identity; readonly recoveryKey: string }> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])
  const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
  const serverName = nameOf(choice, labelOfPublicKey(publicKey))
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey))
  const recoveryBytes = crypto.getRandomValues(new Uint8Array(32))
  const wrapped = await wrap(pkcs8.slice(pkcs8Header.length), recoveryBytes, serverName)
  const privateKey = await importPrivate(pkcs8)
  pkcs8.fill(0)
  return { identity: { serverName, publicKey, privateKey, incarnation: 0, wrapped }, recoveryKey: encodeRecoveryKey(recoveryBytes) }
}

/** The recovery file of an identity. */
export function recoveryFileOf({ serverName, publicKey, incarnation, wrapped }: Identity): RecoveryFile {
  return {
    server_name: serverName,
    public_key: encodeBase64(publicKey),
    incarnation,
    salt: encodeBase64(wrapped.salt),
    iv: encodeBase64(wrapped.iv),
    ciphertext: encodeBase64(wrapped.ciphertext),
  }
}

/**
 * Brings an identity back, with a higher incarnation: the time in seconds, so that two restores of one file differ as well.
 * `undefined` if the file is broken or the key is not the one it was wrapped under.
 */
export async function restoreIdentity(file: unknown, recoveryKey: string): Promise<Identity | undefined> {
  if (!v.is(recoveryFile, file)) return undefined
  const recoveryBytes = decodeRecoveryKey(recoveryKey)
  const [publicKey, salt, iv, ciphertext] = [file.public_key, file.salt, file.iv, file.ciphertext].map(decodeBase64)
  if (!recoveryBytes || !publicKey || !salt || !iv || !ciphertext) return undefined
  const wrapped = { salt, iv, ciphertext }
  const seed = await unwrap(wrapped, recoveryBytes, file.server_name)
  if (!seed) return undefined
  const privateKey = await importPrivate(Uint8Array.of(...pkcs8Header, ...seed))
  const identity = {
    serverName: file.server_name,
    publicKey,
    privateKey,
    incarnation: Math.max(file.incarnation + 1, Math.floor(Date.now() / 1000)),
    wrapped,
  }
  return (await signsAsItSays(identity)) ? identity : undefined
}

/** Signs for `identity` as long as `mayStillSign` does not reject. */
export function signerOf(identity: Identity, mayStillSign: () => Promise<void>): Signer {
  const { serverName, publicKey, privateKey } = identity
  return {
    serverName,
    publicKey,
    keyId: `ed25519:${labelOfPublicKey(publicKey).slice(-8)}`,
    sign: async (message) => {
      await mayStillSign()
      return new Uint8Array(await crypto.subtle.sign('Ed25519', privateKey, message))
    },
  }
}

function nameOf(choice: NameChoice, label: string): string {
  const name = choice.kind === 'label' ? label : choice.kind === 'relay' ? `${label}.${choice.domain}` : choice.serverName
  if (!isServerName(name)) throw new Error(`${name} is no server name`)
  return name
}

function importPrivate(pkcs8: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign'])
}

async function signsAsItSays({ privateKey, publicKey }: Identity): Promise<boolean> {
  const message = new TextEncoder().encode('yurt')
  const key = await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify'])
  return crypto.subtle.verify('Ed25519', key, await crypto.subtle.sign('Ed25519', privateKey, message), message)
}

async function wrap(seed: Bytes, recoveryBytes: Bytes, serverName: string): Promise<WrappedKey> {
  const salt = crypto.getRandomValues(new Uint8Array(16))
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const key = await wrappingKey(recoveryBytes, salt)
  const ciphertext = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(serverName) }, key, seed)
  return { salt, iv, ciphertext: new Uint8Array(ciphertext) }
}

async function unwrap({ salt, iv, ciphertext }: WrappedKey, recoveryBytes: Bytes, serverName: string): Promise<Bytes | undefined> {
  const key = await wrappingKey(recoveryBytes, salt)
  const additionalData = new TextEncoder().encode(serverName)
  const seed = await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, key, ciphertext).catch(() => undefined)
  return seed?.byteLength === 32 ? new Uint8Array(seed) : undefined
}

async function wrappingKey(recoveryBytes: Bytes, salt: Bytes): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', recoveryBytes, 'HKDF', false, ['deriveKey'])
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt, info: new TextEncoder().encode('yurt identity') }
  return crypto.subtle.deriveKey(derivation, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}
