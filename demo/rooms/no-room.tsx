import ChatIcon from '@vector-im/compound-design-tokens/assets/web/icons/chat-new'
import { Button, Heading, Text } from '@vector-im/compound-web'

/** What stands in the place of a room while none is open. */
export function NoRoom({ open }: { open: (dialog: 'create' | 'join') => void }) {
  return (
    <div className="no-room">
      <ChatIcon aria-hidden width={48} height={48} />
      <Heading as="h2" size="md" weight="semibold">
        No room is open
      </Heading>
      <Text as="p">Create one and send its link to someone, or join one that you know the address of.</Text>
      <div className="buttons">
        <Button onClick={() => open('create')}>Create a room</Button>
        <Button kind="secondary" onClick={() => open('join')}>
          Join a room
        </Button>
      </div>
    </div>
  )
}
