import 'fake-indexeddb/auto'
import { describe, expect, it } from 'vitest'
import { MemoryBlobStore } from '../../src/media/memory-blob-store.ts'
import { openBlobStore } from '../../worker/blob-store.ts'
import { blobSuite } from './blob-suite.ts'

let databases = 0

describe('memory blob store', () => {
  it.each(blobSuite)('$name', ({ run }) => run(new MemoryBlobStore()))
})

describe('IndexedDB blob store', () => {
  it.each(blobSuite)('$name', async ({ run }) => run(await openBlobStore(`blobs-${++databases}`)))

  it('knows its usage when it is opened again', async () => {
    const name = `blobs-${++databases}`
    const first = await openBlobStore(name)
    await first.write('a', new Uint8Array(1234))
    const second = await openBlobStore(name)
    expect((await second.usage()).bytes).toBe(1234)
  })
})
