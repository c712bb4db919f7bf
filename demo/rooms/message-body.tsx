import { FormattedText } from './formatted-text.tsx'
import { LinkedText } from './linked-text.tsx'

interface MessageBodyProps {
  readonly text: string
  /** The same with its format, as another client wrote it. */
  readonly html: string | undefined
  /** An emote is said of its sender; a notice comes from a program. */
  readonly kind: 'text' | 'emote' | 'notice'
  readonly sender: string
}

/** A message's text as it was written, with its format and its links. */
export function MessageBody({ text, html, kind, sender }: MessageBodyProps) {
  const body = html === undefined ? <LinkedText text={text} /> : <FormattedText html={html} />
  const name = [
    'message-text',
    ...(html === undefined ? [] : ['message-formatted']),
    ...(kind === 'notice' ? ['message-notice'] : []),
  ].join(' ')
  return (
    <div className={name} dir="auto">
      {kind === 'notice' && <span className="message-notice-label">Automatic</span>}
      {kind === 'notice' && ' '}
      {kind === 'emote' && `${sender} `}
      {body}
    </div>
  )
}
