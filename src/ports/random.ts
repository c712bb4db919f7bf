export interface Random {
  /** Cryptographically secure in production; from the seed in simulation. */
  bytes(length: number): Uint8Array<ArrayBuffer>
}
