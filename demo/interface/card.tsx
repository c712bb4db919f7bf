import { Heading } from '@vector-im/compound-web'
import { type ReactNode, useEffect, useRef } from 'react'
import logo from '../yurt.svg'

/** A page with one card in its middle, whose heading takes the focus, so that screen readers begin there. */
export function Card({ title, children, isBusy = false }: { title: string; children: ReactNode; isBusy?: boolean }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} · Yurt`
    heading.current?.focus()
  }, [title])
  return (
    <main className="card-page" aria-busy={isBusy}>
      <div className="card">
        <img className="card-logo" src={logo} alt="" width="56" height="56" />
        <Heading as="h1" size="md" weight="semibold" ref={heading} tabIndex={-1}>
          {title}
        </Heading>
        {children}
      </div>
    </main>
  )
}
