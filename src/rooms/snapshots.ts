import type { Storage } from '../ports/storage.ts'
import { loadTrie, type NodeHash, type StateNode, type StateTrie } from '../spec/state-trie.ts'
import { Lru } from '../storage/lru.ts'
import { stateNodes } from '../storage/tables/rooms.ts'

/** The states of rooms that are kept, read from memory where they are hot. */
export class Snapshots {
  readonly #storage: Storage
  readonly #tries = new Lru<NodeHash, StateTrie>(200)
  readonly #loading = new Map<NodeHash, Promise<StateTrie>>()
  readonly #storedNodes = new Lru<NodeHash, true>(200_000)

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** The snapshot whose root is `root`. Throws where a node of it is lost. */
  load(root: NodeHash): Promise<StateTrie> {
    const known = this.#tries.get(root)
    if (known) return Promise.resolve(known)
    const loading = this.#loading.get(root) ?? this.#read(root).finally(() => this.#loading.delete(root))
    this.#loading.set(root, loading)
    return loading
  }

  /** The snapshot, if it is in memory. */
  known(root: NodeHash): StateTrie | undefined {
    return this.#tries.get(root)
  }

  /** Whether a node of a snapshot is known to be stored, with all below it. */
  hasNode(hash: NodeHash): boolean {
    return this.#storedNodes.has(hash)
  }

  add(snapshot: StateTrie): void {
    this.#tries.set(snapshot.root, snapshot)
  }

  /** Takes note of nodes that have been stored. */
  addNodes(hashes: readonly NodeHash[]): void {
    for (const hash of hashes) this.#storedNodes.set(hash, true)
  }

  async #read(root: NodeHash): Promise<StateTrie> {
    const loader = loadTrie(root)
    let step = loader.next()
    while (!step.done) step = loader.next(await this.#nodes(step.value))
    this.addNodes([...step.value.newNodes(() => false)].map(([hash]) => hash))
    this.add(step.value)
    return step.value
  }

  async #nodes(hashes: readonly NodeHash[]): Promise<ReadonlyMap<NodeHash, StateNode>> {
    const found = await this.#storage.read([stateNodes], (tx) => tx.getMany(stateNodes, hashes))
    return new Map(hashes.flatMap((hash, i): [NodeHash, StateNode][] => (found[i] ? [[hash, found[i]]] : [])))
  }
}
