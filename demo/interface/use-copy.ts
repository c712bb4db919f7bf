import { useCallback, useEffect, useState } from 'react'

const shownMs = 2_000

/** Copies a text; the flag is set for a moment after it was. */
export function useCopy(): [boolean, (text: string) => void] {
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    if (!isCopied) return undefined
    const timer = setTimeout(() => setCopied(false), shownMs)
    return () => clearTimeout(timer)
  }, [isCopied])
  const copy = useCallback((text: string) => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => undefined,
    )
  }, [])
  return [isCopied, copy]
}
