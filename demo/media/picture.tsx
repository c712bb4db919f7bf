import ImageErrorIcon from '@vector-im/compound-design-tokens/assets/web/icons/image-error'
import { useState } from 'react'
import { Dialog } from '../interface/dialog.tsx'
import type { Attachment } from './attachment.ts'
import { usePictureUrl } from './use-blob-url.ts'

const largest = { width: 480, height: 360 }

/** A picture in the timeline, small; pressed, it is shown whole. */
export function Picture({ attachment }: { attachment: Attachment }) {
  const [isOpen, setOpen] = useState(false)
  const [isBroken, setBroken] = useState(false)
  const { url, failed } = usePictureUrl(attachment.thumbnail ?? attachment)
  if (failed || isBroken) {
    return (
      <p className="message-faint picture-broken">
        <ImageErrorIcon aria-hidden width={20} height={20} />
        {`The picture ${attachment.name} cannot be had now`}
      </p>
    )
  }
  const size = fitted(attachment)
  return (
    <>
      <button type="button" className="picture" onClick={() => setOpen(true)} aria-label={`Open picture ${attachment.name}`} style={size}>
        {url !== undefined && <img src={url} alt={attachment.name} onError={() => setBroken(true)} />}
      </button>
      {isOpen && (
        <Dialog title={attachment.name} close={() => setOpen(false)} isWide>
          <WholePicture attachment={attachment} />
        </Dialog>
      )}
    </>
  )
}

function WholePicture({ attachment }: { attachment: Attachment }) {
  const { url, failed } = usePictureUrl(attachment)
  if (failed) return <p className="message-faint">The picture cannot be had now.</p>
  return url === undefined ? <p className="message-faint">Loading…</p> : <img className="picture-whole" src={url} alt={attachment.name} />
}

/** The room that the picture takes is kept free before it is there, so that nothing jumps. */
function fitted({ width = largest.width, height = largest.height }: Attachment): { width: number; aspectRatio: string } {
  const scale = Math.min(1, largest.width / width, largest.height / height)
  return { width: Math.max(48, Math.round(width * scale)), aspectRatio: `${width} / ${height}` }
}
