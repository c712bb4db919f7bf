/** Media bytes, apart from the tables: whole blobs by key, written once. */
export interface BlobStore {
  /** Durable once resolved. Writing a key again replaces it. */
  write(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>
  read(key: string): Promise<Uint8Array<ArrayBuffer> | undefined>
  remove(key: string): Promise<void>
  /** Bytes held now, and the bound where the platform gives one. */
  usage(): Promise<{ readonly bytes: number; readonly quota: number | undefined }>
}
