import CloseIcon from '@vector-im/compound-design-tokens/assets/web/icons/close'
import { Heading, IconButton } from '@vector-im/compound-web'
import { type MouseEvent, type ReactNode, useEffect, useId, useRef } from 'react'

interface DialogProps {
  readonly title: string
  readonly close: () => void
  readonly children: ReactNode
  readonly isWide?: boolean
}

/** A modal dialog: the browser keeps the focus inside, gives it back afterwards, and closes on Escape. */
export function Dialog({ title, close, children, isWide = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => {
    const dialog = element.current
    const before = document.activeElement
    dialog?.showModal()
    // Not the button that closes it, which comes first.
    dialog?.querySelector<HTMLElement>('input, textarea')?.focus()
    return () => {
      dialog?.close()
      // The dialog is removed in this same turn, before the browser would give the focus back.
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  const closeOutside = (event: MouseEvent): void => {
    if (event.target === element.current) close()
  }
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, and so does the button
    <dialog
      ref={element}
      className={isWide ? 'dialog dialog-wide' : 'dialog'}
      aria-labelledby={titleId}
      onClose={close}
      onClick={closeOutside}
    >
      <div className="dialog-content">
        <header className="dialog-header">
          <Heading as="h2" size="sm" weight="semibold" id={titleId}>
            {title}
          </Heading>
          <IconButton aria-label="Close" onClick={close}>
            <CloseIcon />
          </IconButton>
        </header>
        {children}
      </div>
    </dialog>
  )
}
