const key = 'yurt.pending-name'

/** What the user wants to be called, until the homeserver knows it. */
export const pendingName = {
  get: () => localStorage.getItem(key) ?? undefined,
  set: (name: string) => localStorage.setItem(key, name),
  forget: () => localStorage.removeItem(key),
}
