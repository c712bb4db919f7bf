/** A server name as it fits a line: of a label only its ends. */
export function shortServer(server: string): string {
  return server.replace(/^(k51.{5}).{48,}?(.{6})(?=$|\.|:)/, '$1…$2')
}

/** A user id as it fits a line. */
export function shortUserId(userId: string): string {
  const colon = userId.indexOf(':')
  return colon < 0 ? userId : `${userId.slice(0, colon)}:${shortServer(userId.slice(colon + 1))}`
}
