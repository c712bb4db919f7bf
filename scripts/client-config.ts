/** Where web clients keep their configuration. Element Web looks for one for its host name first. */
const configPath = /^\/config(\.[^/]+)?\.json$/

/** Whether a client's file at this path is its configuration. */
export function isConfigPath(path: string): boolean {
  return configPath.test(path)
}

/**
 * A client's configuration with this origin's homeserver in place of the one that it names, for the clients that we know by
 * their keys; any other is left as it is.
 *
 * @param text the content of its config.json
 */
export function clientConfig(text: string, origin: string): unknown {
  const config: unknown = JSON.parse(text)
  if (typeof config !== 'object' || config === null) return config
  if ('homeserverList' in config) return { ...config, homeserverList: [origin], defaultHomeserver: 0 } // Cinny
  if ('defaultHomeServer' in config) return { ...config, defaultHomeServer: origin } // Hydrogen
  if (elementKeys.some((key) => key in config)) return elementConfig(config, origin)
  return config
}

const elementKeys = ['default_server_config', 'default_server_name', 'default_hs_url']

/** Element Web refuses a configuration that names its homeserver in more than one way. */
function elementConfig(config: object, origin: string): object {
  const others = Object.entries(config).filter(([key]) => !elementKeys.includes(key) && key !== 'default_is_url')
  return { ...Object.fromEntries(others), default_server_config: { 'm.homeserver': { base_url: origin } } }
}
