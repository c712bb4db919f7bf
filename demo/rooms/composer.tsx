import AttachmentIcon from '@vector-im/compound-design-tokens/assets/web/icons/image'
import SendIcon from '@vector-im/compound-design-tokens/assets/web/icons/send-solid'
import { IconButton } from '@vector-im/compound-web'
import type { Room } from 'matrix-js-sdk'
import { type ClipboardEvent, type KeyboardEvent, type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { useClient } from '../session/client-context.ts'
import { drafts } from './drafts.ts'
import { sendText } from './send-text.ts'
import { useTyping } from './use-typing.ts'

interface ComposerProps {
  readonly room: Room
  /** Pictures that were chosen or pasted. */
  readonly sendPictures: (files: readonly File[]) => void
}

/** Where messages are written: Enter sends, Shift and Enter begin a new line. */
export function Composer({ room, sendPictures }: ComposerProps) {
  const client = useClient()
  const [text, setText] = useState(() => drafts.get(room.roomId) ?? '')
  const field = useRef<HTMLTextAreaElement>(null)
  const files = useRef<HTMLInputElement>(null)
  const typing = useTyping(room.roomId)
  useEffect(() => field.current?.focus(), [])
  useGrowing(field, text)
  const change = (next: string): void => {
    setText(next)
    drafts.set(room.roomId, next)
    typing(next !== '')
  }
  const send = (): void => {
    if (text.trim() === '') return
    sendText(client, room, text)
    change('')
    field.current?.focus()
  }
  const press = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }
  const paste = (event: ClipboardEvent): void => {
    const pictures = [...event.clipboardData.files].filter(({ type }) => type.startsWith('image/'))
    if (pictures.length === 0) return
    event.preventDefault()
    sendPictures(pictures)
  }
  const placeholder = room.hasEncryptionStateEvent() ? 'Encrypted message' : 'Message'
  return (
    <form
      className="composer"
      aria-label="Write a message"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <IconButton type="button" size="40px" tooltip="Send a picture" onClick={() => files.current?.click()}>
        <AttachmentIcon />
      </IconButton>
      <input
        ref={files}
        type="file"
        accept="image/*"
        multiple
        hidden
        aria-label="Pictures to send"
        onChange={(event) => {
          sendPictures([...(event.currentTarget.files ?? [])])
          event.currentTarget.value = ''
        }}
      />
      <textarea
        ref={field}
        rows={1}
        value={text}
        placeholder={placeholder}
        aria-label={`Message to ${room.name}`}
        dir="auto"
        onChange={(event) => change(event.currentTarget.value)}
        onKeyDown={press}
        onPaste={paste}
      />
      <IconButton type="submit" size="40px" tooltip="Send" disabled={text.trim() === ''}>
        <SendIcon />
      </IconButton>
    </form>
  )
}

/** The field grows with its text, up to a third of the window. */
function useGrowing(field: RefObject<HTMLTextAreaElement | null>, text: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured again with each text
  useLayoutEffect(() => {
    const element = field.current
    if (!element) return
    element.style.height = 'auto'
    element.style.height = `${Math.min(element.scrollHeight, window.innerHeight / 3)}px`
  }, [field, text])
}
