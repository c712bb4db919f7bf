/** What this homeserver calls itself towards others. */
export const software = { name: 'Yurt', version: '0.1.0' }
