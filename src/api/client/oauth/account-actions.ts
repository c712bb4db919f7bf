/** The actions that the account page has (Client-Server API, "Account management URL actions"). */
export const accountActions = [
  'org.matrix.profile',
  'org.matrix.devices_list',
  'org.matrix.device_view',
  'org.matrix.device_delete',
  'org.matrix.cross_signing_reset',
  'org.matrix.account_deactivate',
] as const

export type AccountAction = (typeof accountActions)[number]
