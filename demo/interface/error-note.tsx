import ErrorIcon from '@vector-im/compound-design-tokens/assets/web/icons/error-solid'

/** Says at once what went wrong; nothing while nothing did. */
export function ErrorNote({ text }: { text: string | undefined }) {
  return (
    <div role="alert">
      {text !== undefined && (
        <p className="error-note">
          <ErrorIcon aria-hidden width={20} height={20} />
          {text}
        </p>
      )}
    </div>
  )
}
