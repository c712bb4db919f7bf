import { type MatrixClient, MsgType, type Room } from 'matrix-js-sdk'
import { encryptAttachment } from './attachment-cipher.ts'
import { measured, thumbnailOf } from './thumbnail.ts'

/** How far an upload has come, from 0 to 1. */
export type Progress = (share: number) => void

/**
 * Uploads a picture and sends the message that shows it; in encrypted rooms, both are encrypted. Rejects when the upload
 * fails: the message is then not sent.
 */
export async function sendPicture(client: MatrixClient, room: Room, { file, progress }: { file: File; progress: Progress }): Promise<void> {
  const isEncrypted = room.hasEncryptionStateEvent()
  const picture = await createImageBitmap(file).catch(() => undefined)
  if (!picture) throw new Error(`${file.name} is no picture that this browser knows`)
  const small = await thumbnailOf(picture)
  const info = { mimetype: file.type, size: file.size, ...measured(picture) }
  const upload = (blob: Blob, report?: Progress) => uploaded(client, blob, { isEncrypted, ...(report ? { report } : {}) })
  const whole = await upload(file, progress)
  const preview = small && (await upload(small.blob))
  picture.close()
  await client.sendMessage(room.roomId, {
    msgtype: MsgType.Image,
    body: file.name,
    filename: file.name,
    ...whole,
    info: {
      ...info,
      ...(small && preview
        ? {
            thumbnail_info: { mimetype: small.blob.type, size: small.blob.size, ...small.size },
            ...(preview.file ? { thumbnail_file: preview.file } : { thumbnail_url: preview.url }),
          }
        : {}),
    },
  })
}

interface UploadOptions {
  readonly isEncrypted: boolean
  readonly report?: Progress
}

async function uploaded(client: MatrixClient, blob: Blob, { isEncrypted, report }: UploadOptions) {
  const options = { includeFilename: false, ...(report ? { progressHandler: shareOf(report) } : {}) }
  if (!isEncrypted) return { url: (await client.uploadContent(blob, { ...options, type: blob.type })).content_uri, file: undefined }
  const { ciphertext, file } = await encryptAttachment(new Uint8Array(await blob.arrayBuffer()))
  const sealed = new Blob([ciphertext], { type: 'application/octet-stream' })
  const { content_uri: url } = await client.uploadContent(sealed, { ...options, type: sealed.type })
  return { url: undefined, file: { ...file, url } }
}

function shareOf(report: Progress): (progress: { loaded: number; total: number }) => void {
  return ({ loaded, total }) => report(total > 0 ? loaded / total : 0)
}
