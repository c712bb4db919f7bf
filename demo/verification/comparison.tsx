import { Button, Text } from '@vector-im/compound-web'
import { type ShowSasCallbacks, VerificationPhase, type VerificationRequest } from 'matrix-js-sdk/lib/crypto-api'
import { useState } from 'react'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { useComparison } from './use-comparison.ts'

interface ComparisonProps {
  readonly request: VerificationRequest
  /** Who is on the other side, for people. */
  readonly name: string
  readonly close: () => void
}

/** A verification by emoji, from the question whether to begin to its end. */
export function Comparison({ request, name, close }: ComparisonProps) {
  const { phase, sas } = useComparison(request)
  const accept = useAction(() => request.accept())
  const stop = useAction(async () => {
    if (phase < VerificationPhase.Done) await request.cancel()
    close()
  })
  const isAsked = phase === VerificationPhase.Requested && !request.initiatedByMe
  const isOver = phase === VerificationPhase.Done || phase === VerificationPhase.Cancelled
  return (
    <div className="comparison">
      {isAsked && <Text as="p">{`${name} wants to make sure that you are who you seem: you both compare seven pictures.`}</Text>}
      <p role="status">{stateOf(phase, { name, isAsked, hasPictures: sas !== undefined })}</p>
      {sas && !isOver && <Pictures sas={sas} name={name} />}
      <ErrorNote text={accept.failure ?? stop.failure} />
      <div className="buttons">
        {isAsked && (
          <Button size="md" disabled={accept.isRunning} onClick={() => void accept.run()}>
            Compare now
          </Button>
        )}
        <Button size="md" kind={isOver ? 'primary' : 'tertiary'} onClick={() => void stop.run()}>
          {isOver ? 'Done' : isAsked ? 'Not now' : 'Cancel'}
        </Button>
      </div>
    </div>
  )
}

function stateOf(
  phase: VerificationPhase,
  { name, isAsked, hasPictures }: { readonly name: string; readonly isAsked: boolean; readonly hasPictures: boolean },
): string {
  if (phase === VerificationPhase.Done) return `${name} is verified.`
  if (phase === VerificationPhase.Cancelled) return 'The comparison was ended: nothing is verified by it.'
  if (isAsked) return ''
  if (hasPictures) return ''
  return phase <= VerificationPhase.Requested ? `Waiting for ${name} to answer…` : 'The pictures are on their way…'
}

/** The pictures that both sides see, if nobody is between them. */
function Pictures({ sas, name }: { sas: ShowSasCallbacks; name: string }) {
  const [isConfirmed, setConfirmed] = useState(false)
  const confirm = useAction(async () => {
    setConfirmed(true)
    await sas.confirm()
  })
  return (
    <>
      <Text as="p">{`Does ${name} see the same pictures, in the same order? Ask by telephone, or face to face.`}</Text>
      <ol className="pictures" aria-label="Pictures to compare">
        {(sas.sas.emoji ?? []).map(([picture, meaning], index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the pictures never move, and one may come twice
          <li key={index}>
            <span aria-hidden className="picture">
              {picture}
            </span>
            <span>{meaning}</span>
          </li>
        ))}
      </ol>
      <ErrorNote text={confirm.failure} />
      {isConfirmed ? (
        <p role="status">{`Waiting for ${name} to confirm…`}</p>
      ) : (
        <div className="buttons">
          <Button size="md" onClick={() => void confirm.run()}>
            They match
          </Button>
          <Button size="md" kind="secondary" destructive onClick={() => sas.mismatch()}>
            They do not match
          </Button>
        </div>
      )}
    </>
  )
}
