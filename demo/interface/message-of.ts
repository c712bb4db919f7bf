import { ConnectionError, MatrixError } from 'matrix-js-sdk'

/** What went wrong, as a sentence for people. */
export function messageOf(error: unknown): string {
  if (error instanceof MatrixError) return error.data.error ?? error.errcode ?? 'The homeserver refused'
  if (error instanceof ConnectionError) return 'Your homeserver does not answer. Try again in a moment.'
  return error instanceof Error ? error.message : String(error)
}
