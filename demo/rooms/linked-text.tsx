import { Fragment } from 'react'

const links = /(https?:\/\/[^\s<>"]+[^\s<>"'.,;:!?)\]])/

/** Plain text with its links. */
export function LinkedText({ text }: { text: string }) {
  return text.split(links).map((part, index) => (
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
  ))
}
