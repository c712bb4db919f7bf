import { decodeBase64, encodeBase64 } from '../../src/spec/base64.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** How to fetch and decrypt an encrypted attachment (Client-Server API, "Sending encrypted attachments"). */
export interface EncryptedFile {
  readonly url: string
  readonly v: string
  readonly iv: string
  readonly hashes: { readonly [algorithm: string]: string }
  readonly key: { readonly alg: string; readonly kty: string; readonly key_ops: string[]; readonly k: string; readonly ext: boolean }
}

const algorithm = { name: 'AES-CTR', length: 256 }
/** The lower half of the counter block counts, the upper half is random. */
const counterBits = 64

/** Encrypts a file with a new key. The result lacks only the address that uploading the ciphertext gives. */
export async function encryptAttachment(
  plaintext: Bytes,
): Promise<{ readonly ciphertext: Bytes; readonly file: Omit<EncryptedFile, 'url'> }> {
  const key = await crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt'])
  const counter = new Uint8Array(16)
  crypto.getRandomValues(counter.subarray(0, 8))
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-CTR', counter, length: counterBits }, key, plaintext))
  const { k = '' } = await crypto.subtle.exportKey('jwk', key)
  return {
    ciphertext,
    file: {
      v: 'v2',
      iv: encodeBase64(counter),
      hashes: { sha256: encodeBase64(await sha256(ciphertext)) },
      key: { alg: 'A256CTR', kty: 'oct', key_ops: ['encrypt', 'decrypt'], k, ext: true },
    },
  }
}

/** Decrypts a file that was fetched. Rejects when it is not the one that the message was sent with. */
export async function decryptAttachment(ciphertext: Bytes, { iv, hashes, key }: EncryptedFile): Promise<Bytes> {
  const counter = decodeBase64(iv)
  if (counter?.length !== 16 || encodeBase64(await sha256(ciphertext)) !== hashes.sha256?.replace(/=+$/, '')) {
    throw new Error('The file is not the one that was sent')
  }
  const imported = await crypto.subtle.importKey('jwk', { alg: key.alg, kty: key.kty, k: key.k, ext: true }, algorithm, false, ['decrypt'])
  return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-CTR', counter, length: counterBits }, imported, ciphertext))
}

async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}
