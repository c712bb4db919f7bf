import { Button, Progress } from '@vector-im/compound-web'
import type { Room } from 'matrix-js-sdk'
import { useCallback, useState } from 'react'
import { messageOf } from '../interface/message-of.ts'
import { sendPicture } from '../media/send-picture.ts'
import { useClient } from '../session/client-context.ts'

/** A picture on its way. */
export interface Upload {
  readonly id: number
  readonly file: File
  /** From 0 to 1. */
  readonly share: number
  readonly failure: string | undefined
}

let nextId = 0

/** Sends pictures into a room, one after the other, and tells how far each has come. */
export function useUploads(room: Room) {
  const client = useClient()
  const [uploads, setUploads] = useState<readonly Upload[]>([])
  const change = useCallback((id: number, to: Partial<Upload> | undefined) => {
    setUploads((before) => before.flatMap((upload) => (upload.id !== id ? [upload] : to === undefined ? [] : [{ ...upload, ...to }])))
  }, [])
  const send = useCallback(
    async ({ id, file }: Upload) => {
      change(id, { share: 0, failure: undefined })
      try {
        await sendPicture(client, room, { file, progress: (share) => change(id, { share }) })
        change(id, undefined)
      } catch (error) {
        change(id, { failure: messageOf(error) })
      }
    },
    [client, room, change],
  )
  const add = useCallback(
    async (files: readonly File[]) => {
      const added = files.map((file): Upload => ({ id: nextId++, file, share: 0, failure: undefined }))
      setUploads((before) => [...before, ...added])
      for (const upload of added) await send(upload)
    },
    [send],
  )
  const discard = useCallback((id: number) => change(id, undefined), [change])
  return { uploads, add, send, discard }
}

type UploadsProps = Pick<ReturnType<typeof useUploads>, 'uploads' | 'send' | 'discard'>

/** The pictures that are on their way, or did not get there. */
export function Uploads({ uploads, send, discard }: UploadsProps) {
  if (uploads.length === 0) return null
  return (
    <ul className="uploads" aria-label="Pictures being sent">
      {uploads.map((upload) => (
        <li key={upload.id}>
          <span className="upload-name">{upload.file.name}</span>
          {upload.failure === undefined ? (
            <Progress size="sm" tint="green" value={upload.share} max={1} aria-label={`Sending ${upload.file.name}`} />
          ) : (
            <span className="send-failure" role="alert">
              <span>{upload.failure}</span>
              <Button kind="tertiary" size="md" onClick={() => void send(upload)}>
                Try again
              </Button>
              <Button kind="tertiary" size="md" onClick={() => discard(upload.id)}>
                Discard
              </Button>
            </span>
          )}
        </li>
      ))}
    </ul>
  )
}
