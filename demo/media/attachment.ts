import type { EncryptedFile } from './attachment-cipher.ts'

/** A file that a message refers to. */
export interface Attachment {
  readonly name: string
  readonly mimetype: string
  readonly sizeBytes: number | undefined
  readonly width: number | undefined
  readonly height: number | undefined
  /** `mxc:` of the file, when it is not encrypted. */
  readonly url: string | undefined
  readonly file: EncryptedFile | undefined
  /** A smaller picture of it. */
  readonly thumbnail: Pick<Attachment, 'url' | 'file' | 'mimetype'> | undefined
}

/** The attachment that a message's content describes; `undefined` if it has none, or a malformed one. */
export function attachmentOf(content: object): Attachment | undefined {
  const message: Record<string, unknown> = { ...content }
  const source = sourceOf(message.url, message.file)
  if (!source) return undefined
  const info = isRecord(message.info) ? message.info : {}
  const preview = sourceOf(info.thumbnail_url, info.thumbnail_file)
  const previewInfo = isRecord(info.thumbnail_info) ? info.thumbnail_info : {}
  return {
    ...source,
    name: textOf(message.filename) ?? textOf(message.body) ?? 'file',
    mimetype: textOf(info.mimetype) ?? 'application/octet-stream',
    sizeBytes: numberOf(info.size),
    width: numberOf(info.w),
    height: numberOf(info.h),
    thumbnail: preview && { ...preview, mimetype: textOf(previewInfo.mimetype) ?? 'image/jpeg' },
  }
}

function sourceOf(url: unknown, file: unknown): Pick<Attachment, 'url' | 'file'> | undefined {
  if (isEncryptedFile(file)) return { url: undefined, file }
  return typeof url === 'string' && url.startsWith('mxc://') ? { url, file: undefined } : undefined
}

function isEncryptedFile(value: unknown): value is EncryptedFile {
  return (
    isRecord(value) &&
    typeof value.url === 'string' &&
    value.v === 'v2' &&
    typeof value.iv === 'string' &&
    isRecord(value.hashes) &&
    typeof value.hashes.sha256 === 'string' &&
    isRecord(value.key) &&
    typeof value.key.k === 'string'
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined
}
