import { put, table } from '../../../src/ports/storage.ts'
import { openBlobStore } from '../../../worker/blob-store.ts'
import { IndexedDbStorage } from '../../../worker/indexeddb-storage.ts'
import { SignatureThread } from '../../../worker/signature-thread.ts'
import { createVerifier } from '../../../worker/webcrypto-verifier.ts'
import { blobSuite } from '../../contract/blob-suite.ts'
import { storageSuite, suiteMigrations } from '../../contract/storage-suite.ts'

declare global {
  interface Window {
    /** Runs one case of a suite: `passed`, or the text of its failure. */
    suites: Record<string, (name: string) => Promise<string>>
    /** Commits as asked, and returns the durability of the transaction that the browser made of it. */
    durabilityOf: (durability: 'strict' | 'relaxed') => Promise<string | undefined>
    /** Verdicts on messages, signatures and keys given as lists of bytes: by WebCrypto, and in script. */
    verdicts: (batch: readonly NumberedMessage[]) => Promise<{ webCrypto: boolean[]; inScript: boolean[]; inThread: boolean[] }>
  }
}

/** A signed message as it passes through the debugger. */
interface NumberedMessage {
  readonly message: number[]
  readonly signature: number[]
  readonly publicKey: number[]
}

let databases = 0
const freshName = () => `suite-${++databases}`
const openFresh = () => IndexedDbStorage.open(freshName(), suiteMigrations)

async function outcomeOf(run: (() => Promise<void>) | undefined): Promise<string> {
  if (!run) return 'there is no such case'
  return run().then(() => 'passed', String)
}

const caseNamed = <T extends { readonly name: string }>(suite: readonly T[], name: string) => suite.find((each) => each.name === name)

window.suites = {
  storage: async (name) => {
    const found = caseNamed(storageSuite, name)
    return outcomeOf(found && (async () => found.run(await openFresh(), openFresh)))
  },
  blobs: async (name) => {
    const found = caseNamed(blobSuite, name)
    return outcomeOf(found && (async () => found.run(await openBlobStore(freshName()))))
  },
}

window.durabilityOf = async (durability) => {
  const storage = await openFresh()
  const { transaction } = IDBDatabase.prototype
  let made: IDBTransaction | undefined
  IDBDatabase.prototype.transaction = function (names, mode, options) {
    made = transaction.call(this, names, mode, options)
    return made
  }
  try {
    await storage.commit([put(table<string, number>('letters'), 'a', 1)], durability)
  } finally {
    IDBDatabase.prototype.transaction = transaction
  }
  return made?.durability
}

window.verdicts = async (batch) => {
  const messages = batch.map(({ message, signature, publicKey }) => ({
    message: Uint8Array.from(message),
    signature: Uint8Array.from(signature),
    publicKey: Uint8Array.from(publicKey),
  }))
  const without = { importKey: () => Promise.reject(new DOMException('no Ed25519', 'NotSupportedError')), verify: async () => true }
  const beside = createVerifier(crypto.subtle, new SignatureThread())
  return {
    webCrypto: await createVerifier().verify(messages),
    inScript: await createVerifier(without).verify(messages),
    inThread: await beside.verify(messages),
  }
}
