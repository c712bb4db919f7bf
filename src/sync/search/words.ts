/** Letters, digits, the marks that go with them, and `_`. */
const words = /[\p{L}\p{N}\p{M}_]+/gu
/** Runs of scripts that put no space between words: characters and pairs of them stand for words there. */
const unspaced = /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}]+/gu

/** UTF-16 units of a word that count. */
const wordLength = 40
/** Different words of one text that are indexed. */
const textWords = 1_000
/** Words that one search looks for. */
const queryWords = 20

/** The words by which a text is found. */
export function wordsOfText(text: string): Set<string> {
  const found = new Set<string>()
  for (const { run, isSpaced } of runsOf(text)) {
    const pieces = isSpaced
      ? [run]
      : [...run].flatMap((character, at, all) => [character, ...(at === 0 ? [] : [`${all[at - 1]}${character}`])])
    for (const piece of pieces) if (found.size < textWords) found.add(piece.slice(0, wordLength))
  }
  return found
}

/** The words that a search term asks for: all of them have to be found. */
export function wordsOfTerm(term: string): string[] {
  const found = Array.from(runsOf(term), ({ run, isSpaced }) => (isSpaced ? [run] : pairsOf(run)))
  return [...new Set(found.flat().map((word) => word.slice(0, wordLength)))].slice(0, queryWords)
}

/** The words of a search term, to be highlighted. */
export function shownWords(term: string): string[] {
  return [...new Set(Array.from(runsOf(term), ({ run }) => run))].slice(0, queryWords)
}

/** Whether a word of a text is one that is asked for: that word, or one that begins with it. */
export function isFoundBy(word: string, wanted: string): boolean {
  return word === wanted || (wanted.length > 1 && word.startsWith(wanted))
}

/** How much a word found says for a text: its length, less where it is only the beginning of the text's word. */
export function weightOf(wanted: string, wordLength: number): number {
  return (wanted.length * wanted.length) / wordLength
}

function* runsOf(text: string): Iterable<{ readonly run: string; readonly isSpaced: boolean }> {
  for (const [word] of text.normalize('NFKC').toLowerCase().matchAll(words)) {
    let at = 0
    for (const { 0: run, index } of word.matchAll(unspaced)) {
      if (index > at) yield { run: word.slice(at, index), isSpaced: true }
      yield { run, isSpaced: false }
      at = index + run.length
    }
    if (at < word.length) yield { run: word.slice(at), isSpaced: true }
  }
}

function pairsOf(run: string): string[] {
  const characters = [...run]
  return characters.length === 1 ? characters : characters.slice(1).map((character, before) => `${characters[before]}${character}`)
}
