import { Form } from '@vector-im/compound-web'

/** Which name the homeserver gets. */
export type Reach = 'everyone' | 'yurts'

interface NameChoiceProps {
  /** Below it ordinary servers would find the homeserver. */
  readonly domain: string | undefined
  readonly reach: Reach
  readonly choose: (reach: Reach) => void
}

/** Explains the two kinds of server name and lets people choose; it cannot be changed later. */
export function NameChoice({ domain, reach, choose }: NameChoiceProps) {
  return (
    <fieldset className="choice">
      <legend>Who can reach you?</legend>
      <Form.InlineField
        name="reach"
        control={
          <Form.RadioControl
            value="everyone"
            checked={reach === 'everyone'}
            disabled={domain === undefined}
            onChange={() => choose('everyone')}
          />
        }
      >
        <Form.Label>Everyone on Matrix</Form.Label>
        <Form.HelpMessage>
          {domain === undefined
            ? 'Needs a relay with a domain name, and this page has none.'
            : `Your name ends in .${domain}: ordinary servers find you through that relay, for as long as it runs.`}
        </Form.HelpMessage>
      </Form.InlineField>
      <Form.InlineField
        name="reach"
        control={<Form.RadioControl value="yurts" checked={reach === 'yurts'} onChange={() => choose('yurts')} />}
      >
        <Form.Label>Other Yurts only</Form.Label>
        <Form.HelpMessage>
          Your name is your key alone and depends on nobody. Ordinary Matrix servers cannot share rooms with you.
        </Form.HelpMessage>
      </Form.InlineField>
    </fieldset>
  )
}
