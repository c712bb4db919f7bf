import { sha256 } from '@noble/hashes/sha2.js'
import { encodeUrlSafeBase64 } from './base64.ts'
import type { EventId, StateKey } from './event.ts'

/** Names a node by its content: unpadded URL-safe base64 of the first 192 bits of the SHA-256 of its canonical encoding. */
export type NodeHash = string

export type StateEntry = readonly [StateKey, EventId]

/** A node as it is stored: a leaf with its entries sorted by key, or a branch with sixteen children (`null`: nothing there). */
export type StateNode = { readonly entries: readonly StateEntry[] } | { readonly children: readonly (NodeHash | null)[] }

/** A leaf of the trie in memory. */
export interface Leaf {
  readonly kind: 'leaf'
  readonly size: number
  /** Sorted by key. */
  readonly entries: readonly StateEntry[]
  hash: NodeHash | undefined
}

/** A branch of the trie in memory; `children` has sixteen places. */
export interface Branch {
  readonly kind: 'branch'
  readonly size: number
  readonly children: readonly TrieNode[]
  hash: NodeHash | undefined
}

/** A node in memory, immutable but for its hash, which is worked out when first asked for. */
export type TrieNode = Leaf | Branch

/** A subtree of at most so many entries is one leaf, a larger one a branch: thus content alone decides the shape. */
export const leafCapacity = 64

const hashBytes = 24

const encoder = new TextEncoder()

/** The leaf without entries; a place without children holds it. */
export const emptyLeaf: Leaf = { kind: 'leaf', size: 0, entries: [], hash: undefined }

/** Where `key` lies: its nibble at each depth leads from the root down. JSON keeps keys apart that UTF-8 alone would merge. */
export function pathOf(key: StateKey): Uint8Array {
  return sha256(encoder.encode(JSON.stringify(key)))
}

/** The child of `path` at `depth`. */
export function nibbleAt(path: Uint8Array, depth: number): number {
  const byte = path[depth >> 1] ?? 0
  return depth % 2 === 0 ? byte >> 4 : byte & 15
}

/** A leaf of entries in any order. */
export function leafOf(entries: StateEntry[]): Leaf {
  if (entries.length === 0) return emptyLeaf
  return { kind: 'leaf', size: entries.length, entries: entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)), hash: undefined }
}

/** The node of these sixteen children: a branch, or a leaf where they hold few entries. */
export function nodeOf(children: readonly TrieNode[]): TrieNode {
  const size = children.reduce((sum, child) => sum + child.size, 0)
  if (size > leafCapacity) return { kind: 'branch', size, children, hash: undefined }
  return leafOf(children.flatMap((child) => [...entriesOf(child)]))
}

/** All entries under `node`, in the order of their paths and, within a leaf, of their keys. */
export function* entriesOf(node: TrieNode): Generator<StateEntry, undefined> {
  if (node.kind === 'leaf') yield* node.entries
  else for (const child of node.children) yield* entriesOf(child)
}

/** The hash that names `node`. */
export function hashOf(node: TrieNode): NodeHash {
  if (node.hash !== undefined) return node.hash
  const hash = encodeUrlSafeBase64(sha256(encoder.encode(JSON.stringify(storedForm(node)))).subarray(0, hashBytes))
  node.hash = hash
  return hash
}

/** `node` as it is stored. */
export function storedForm(node: TrieNode): StateNode {
  if (node.kind === 'leaf') return { entries: node.entries }
  return { children: node.children.map((child) => (child.size === 0 ? null : hashOf(child))) }
}
