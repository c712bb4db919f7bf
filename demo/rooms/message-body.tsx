import { Fragment } from 'react'

const links = /(https?:\/\/[^\s<>"]+[^\s<>"'.,;:!?)\]])/

/** Text as it was written, with its links. */
export function MessageBody({ text, isEmote, sender }: { text: string; isEmote: boolean; sender: string }) {
  return (
    <p className="message-text" dir="auto">
      {isEmote && `${sender} `}
      {text.split(links).map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text never move
        <Fragment key={index}>
          {index % 2 === 1 ? (
            <a href={part} target="_blank" rel="noreferrer noopener">
              {part}
            </a>
          ) : (
            part
          )}
        </Fragment>
      ))}
    </p>
  )
}
