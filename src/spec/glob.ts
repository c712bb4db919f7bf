/**
 * A Matrix glob (Appendices, "Glob-style matching"), case-insensitive: `*` stands for any characters, `?` for exactly one.
 * A match takes at most time proportional to the text's length times the pattern's: bound both.
 */
export interface Glob {
  /** Whether the glob matches all of `text`. */
  matches(text: string): boolean
  /** Whether it matches some part of `text` that starts and ends at a word boundary (Client-Server API, "Push Rules"). */
  matchesWords(text: string): boolean
}

/** Where a match may start and end, as an index into the text. */
type Edge = (text: string, index: number) => boolean

const atStart: Edge = (_text, index) => index === 0
const atEnd: Edge = (text, index) => index === text.length
const atWordStart: Edge = (text, index) => index === 0 || !isWordCharacter(text.charCodeAt(index - 1))
const atWordEnd: Edge = (text, index) => index === text.length || !isWordCharacter(text.charCodeAt(index))
const anywhere: Edge = () => true

/** Reads a pattern once for many texts. */
export function compileGlob(pattern: string): Glob {
  const segments = pattern.toLowerCase().split(/\*+/)
  return {
    matches: (text) => matchSegments(segments, text.toLowerCase(), { start: atStart, end: atEnd }),
    matchesWords: (text) => matchSegments(segments, text.toLowerCase(), { start: atWordStart, end: atWordEnd }),
  }
}

/** Whether `phrase`, which is no pattern, occurs in `text` between word boundaries, whatever the case of either. */
export function containsPhrase(text: string, phrase: string): boolean {
  const [haystack, needle] = [text.toLowerCase(), phrase.toLowerCase()]
  for (let index = haystack.indexOf(needle); index !== -1 && needle !== ''; index = haystack.indexOf(needle, index + 1)) {
    if (atWordStart(haystack, index) && atWordEnd(haystack, index + needle.length)) return true
  }
  return false
}

/** Each segment takes the first place it fits after the one before: a later place would only leave less for the rest. */
function matchSegments(segments: readonly string[], text: string, edges: { start: Edge; end: Edge }): boolean {
  let index = 0
  for (const [position, segment] of segments.entries()) {
    const start = position === 0 ? edges.start : anywhere
    const end = position === segments.length - 1 ? edges.end : anywhere
    const next = findSegment(segment, text, { from: index, start, end })
    if (next === undefined) return false
    index = next
  }
  return true
}

/** The end of the first place from `from` on where `segment`, which has no `*`, fits between the given edges. */
function findSegment(segment: string, text: string, { from, start, end }: { from: number; start: Edge; end: Edge }): number | undefined {
  for (let index = from; index <= text.length; index++) {
    if (start === atStart && index > 0) return undefined
    if (!start(text, index) || isInsidePair(text, index)) continue
    const after = matchAt(segment, text, index)
    if (after !== undefined && end(text, after)) return after
  }
  return undefined
}

/** The end of `segment` in `text` if it fits at `index`. */
function matchAt(segment: string, text: string, index: number): number | undefined {
  let position = index
  for (let offset = 0; offset < segment.length; offset++) {
    if (position >= text.length) return undefined
    if (segment.charCodeAt(offset) === questionMark) position += isInsidePair(text, position + 1) ? 2 : 1
    else if (segment.charCodeAt(offset) === text.charCodeAt(position)) position++
    else return undefined
  }
  return position
}

const questionMark = 0x3f

/** Whether `index` splits a surrogate pair: two UTF-16 units, one character. */
function isInsidePair(text: string, index: number): boolean {
  const unit = text.charCodeAt(index)
  if (!(unit >= 0xdc00 && unit <= 0xdfff) || index === 0) return false
  const before = text.charCodeAt(index - 1)
  return before >= 0xd800 && before <= 0xdbff
}

function isWordCharacter(unit: number): boolean {
  return (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a) || unit === 0x5f
}
