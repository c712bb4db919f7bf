import { Heading, Text } from '@vector-im/compound-web'

/** Shown for a room that its reader is not in. */
export function RoomGone({ name }: { name: string | undefined }) {
  return (
    <div className="no-room">
      <Heading as="h2" size="md" weight="semibold">
        {name === undefined ? 'You are not in this room' : `You are not in ${name} any more`}
      </Heading>
      <Text as="p">You left it, or someone removed you, or it has not reached your homeserver yet.</Text>
      <a href="#/">Back to your rooms</a>
    </div>
  )
}
