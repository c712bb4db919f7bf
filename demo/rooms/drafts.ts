/** What was written in each room and not sent, while the page is open. */
export const drafts = new Map<string, string>()
