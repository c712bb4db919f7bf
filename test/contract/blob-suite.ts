import type { BlobStore } from '../../src/ports/blob-store.ts'
import { equal } from './assertions.ts'

/** One promise of the blob store port; free of any test framework. */
export interface BlobCase {
  readonly name: string
  readonly run: (blobs: BlobStore) => Promise<void>
}

export const blobSuite: readonly BlobCase[] = [
  {
    name: 'bytes are read back as they were written, whatever their length',
    run: async (blobs) => {
      for (const length of [0, 1, 1 << 20, (1 << 20) + 1, 3_500_000]) {
        const bytes = patterned(length)
        await blobs.write('film', bytes)
        const read = await blobs.read('film')
        equal(read?.length, length)
        equal(
          read?.findIndex((byte, index) => byte !== bytes[index]),
          -1,
        )
      }
    },
  },
  {
    name: 'what was never written or was removed is undefined',
    run: async (blobs) => {
      await blobs.write('a', patterned(10))
      await blobs.write('b', patterned(20))
      await blobs.remove('a')
      await blobs.remove('never')
      equal([await blobs.read('a'), await blobs.read('never'), (await blobs.read('b'))?.length], [undefined, undefined, 20])
    },
  },
  {
    name: 'writing again replaces, and the usage counts what is there',
    run: async (blobs) => {
      const { bytes: before } = await blobs.usage()
      await blobs.write('a', patterned(3_000_000))
      await blobs.write('a', patterned(100))
      equal((await blobs.read('a'))?.length, 100)
      equal((await blobs.usage()).bytes - before, 100)
      await blobs.remove('a')
      equal((await blobs.usage()).bytes, before)
    },
  },
  {
    name: 'a view of a larger buffer is written as what it shows',
    run: async (blobs) => {
      await blobs.write('view', patterned(1000).subarray(100, 110))
      equal([...((await blobs.read('view')) ?? [])], [...patterned(110).slice(100)])
    },
  },
]

function patterned(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 255)
}
