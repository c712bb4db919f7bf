import type { HostStatus } from '../homeserver/control.ts'

/** How far the first of the joins under way has come, in words; nothing where there is none. */
export function joinText([join]: HostStatus['joins']): string | undefined {
  if (!join) return undefined
  if (join.stage === 'asking') return 'Waiting for another server to let you in…'
  const count = `${join.done.toLocaleString('en')} of ${join.total.toLocaleString('en')}`
  return `Joining… ${count} events ${join.stage === 'checking' ? 'checked' : 'kept'}`
}
