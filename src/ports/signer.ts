/** The homeserver's identity: signs with the Ed25519 key that is never seen here. */
export interface Signer {
  readonly serverName: string
  /** `ed25519:` and a short fingerprint. */
  readonly keyId: string
  /** The raw 32-byte public key. */
  readonly publicKey: Uint8Array<ArrayBuffer>
  /** The 64-byte Ed25519 signature of `message`. */
  sign(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>
}

export interface SignedMessage {
  readonly message: Uint8Array<ArrayBuffer>
  /** 64 bytes; any other length is simply not valid. */
  readonly signature: Uint8Array<ArrayBuffer>
  /** Raw 32-byte Ed25519 public key. */
  readonly publicKey: Uint8Array<ArrayBuffer>
}

export interface Verifier {
  /** One verdict for each message, in order. Never rejects: nonsense is `false`. */
  verify(batch: readonly SignedMessage[]): boolean[] | Promise<boolean[]>
}
