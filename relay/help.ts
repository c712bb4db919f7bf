/** What `--help` prints: every option of the configuration file, in its order. A test holds it against the schema. */
export const help = `npm run relay -- [--config FILE]

The relay of Yurt: where homeservers in browser tabs meet, and where ordinary homeservers reach them.

  --config FILE   configuration, one JSON object; every key may be left out
  --help

Configuration (defaults in brackets)
  dataDir                  where the relay's key, its token and the mail are kept [data/relay]
  domain                   homeservers here are called LABEL.domain; its wildcard DNS name leads to this machine [none]

  libp2p.host              address on which tabs connect, over WebSockets [127.0.0.1]
  libp2p.port              [8421]; 0 takes a free one
  libp2p.tls               { "certFile", "keyFile" }: serve wss:// [none]
  libp2p.announce          multiaddrs by which tabs reach the relay, where it is behind a proxy [what it listens on]

  federation.host          address on which ordinary homeservers connect [127.0.0.1]
  federation.port          [8422]; 0 takes a free one
  federation.tls           { "certFile", "keyFile" }: a certificate for *.domain; without one it is plain HTTP [none]
  federation.publicPort    the port that the world connects to, where a proxy is in front [federation.port]

  metrics.host             address on which Prometheus is served at /metrics; without "metrics" it is not [127.0.0.1]
  metrics.port             [8423]; 0 takes a free one

  admission.mode           whom the relay serves [token]
                             token      who presents one of the tokens
                             allowlist  the homeservers in admission.labels
                             open       anyone
  admission.tokens         [one that is made at the first start, and kept in dataDir]
  admission.labels         [[]]

  names                    { "example.org": "k51…" }: server names that these homeservers go by beside LABEL.domain [{}]
  resolve                  { "hs2": "127.0.0.1:8202" }: where servers are, instead of asking DNS; also for private ones [{}]
  trustedCaFiles           certificates of authorities that are trusted beside the usual ones [[]]
  allowPrivateAddresses    send requests to private and loopback addresses too; for tests [false]

  limits.connections                     [6000]
  limits.connectionsPerAddressPerSecond  [20]
  limits.reservations                    homeservers that others may reach through the relay [6000]
  limits.reservationMinutes              [120]
  limits.circuitMegabytes                for one connection between two homeservers [256]
  limits.circuitMinutes                  for one connection between two homeservers [60]
  limits.requestMegabytes                body of a request [16]
  limits.responseMegabytes               body of a response [512]
  limits.bufferMegabytes                 bodies of requests in memory, all together [256]
  limits.requestSeconds                  until a request must be answered [60]
  limits.outboundPerPeerPerMinute        requests that one homeserver may send to ordinary ones [1200]
  limits.outboundPerMinute               requests that all of them may send [60000]
  limits.mailboxMegabytes                kept for one homeserver while it sleeps [64]
  limits.mailboxTransactions             kept for one homeserver while it sleeps [10000]
  limits.mailboxTotalMegabytes           kept for all of them [4096]
  limits.mailboxDays                     how long mail is kept [30]

  logLevel                 debug, info, warn or error [info]

Environment variables stand above the file: RELAY_DATA_DIR, RELAY_DOMAIN, RELAY_HOST, RELAY_PORT (libp2p),
RELAY_FEDERATION_HOST, RELAY_FEDERATION_PORT, RELAY_TOKEN, RELAY_LOG_LEVEL.

When it is ready, one line of JSON on standard output says where it listens and holds the token. The log goes to standard
error. GET /health on the federation port answers 200. SIGTERM stops it; mail is never lost by that.`
