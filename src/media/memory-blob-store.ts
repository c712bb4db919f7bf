import type { BlobStore } from '../ports/blob-store.ts'

/** Media in memory, for tests and simulation. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<string, Uint8Array<ArrayBuffer>>()

  async write(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#blobs.set(key, bytes)
  }

  async read(key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#blobs.get(key)
  }

  async remove(key: string): Promise<void> {
    this.#blobs.delete(key)
  }

  async usage(): Promise<{ bytes: number; quota: undefined }> {
    return { bytes: [...this.#blobs.values()].reduce((sum, blob) => sum + blob.byteLength, 0), quota: undefined }
  }
}
