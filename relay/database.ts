import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Each is applied once, in order; never changed, only added to. */
const migrations: readonly string[] = [
  `CREATE TABLE homeserver (
     label TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, signature TEXT NOT NULL, seen INTEGER NOT NULL,
     key_document TEXT
   ) STRICT;
   CREATE TABLE mail (
     id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, origin TEXT NOT NULL, uri TEXT NOT NULL,
     bytes INTEGER NOT NULL, received INTEGER NOT NULL, destination TEXT NOT NULL, headers TEXT NOT NULL, body TEXT NOT NULL,
     UNIQUE (owner, origin, uri)
   ) STRICT;
   CREATE INDEX mail_owner ON mail (owner, id, bytes);
   CREATE INDEX mail_received ON mail (received);`,
]

/** Opens the relay's database, or makes it. What a transaction wrote is on the disk when it has ended. */
export function openDatabase(dataDir: string): DatabaseSync {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(dataDir, 'relay.sqlite'))
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON')
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue
    database.exec(`BEGIN IMMEDIATE; ${migration} PRAGMA user_version = ${index + 1}; COMMIT`)
  }
  return database
}
