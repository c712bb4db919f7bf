/** A server name as it fits a line: of a label only its ends. */
export function shortServer(server: string): string {
  return server.replace(/^(k51.{5}).{48,}?(.{6})(?=$|\.|:)/, '$1…$2')
}
