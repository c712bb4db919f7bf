let approved: string | undefined

/** Says that the user wants to follow the link with this fragment: they typed it, or were told and went on. */
export function approveLink(hash: string): void {
  approved = hash
}

/** Whether the user wants to follow it; else they are asked, as any page can lead here. */
export function isApprovedLink(hash: string): boolean {
  return hash === approved
}
