import { findBinaries } from './embedded-postgres/binaries.ts';
import { ensureCluster, SUPERUSER } from './embedded-postgres/cluster.ts';
import { prepareDataDirectory, superuserPassword } from './embedded-postgres/data-directory.ts';
import { join } from './embedded-postgres/join.ts';
import type { Connection } from './embedded-postgres/membership.ts';
import { Presence } from './embedded-postgres/presence.ts';
import { ensureSocketDirectory, PORT } from './embedded-postgres/socket.ts';

export { defaultDataDir } from './embedded-postgres/data-directory.ts';
export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './embedded-postgres/error.ts';
export type { Connection } from './embedded-postgres/membership.ts';

export interface EmbeddedPostgresOptions {
  /** Absolute. Made when missing; holds `postgres/`, `postgres-password` and `postgres.log`. */
  dataDir: string;
  /** Created when missing, in UTF8. Default `offpeak`. */
  database?: string;
  /**
   * Default true. False gives up durability for speed (fsync, synchronous_commit and full_page_writes off): for tests
   * on a directory of their own, where even a killed server may forget the last commits. It decides for the server that this call starts, not for one that runs already.
   */
  fsync?: boolean;
  /** Told what happens to the server, a line each. Default: nobody. */
  log?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** For `pg.Client`, `pg.Pool` and whatever takes their options. */
  readonly connection: Connection;
  /** The same as a URL, for libpq and `pg`; it holds the password. */
  readonly connectionString: string;
  /** True when the server was already running. */
  readonly joined: boolean;
  /** Leaves the server; the last to leave stops it and waits for its end. Close your own connections first. */
  close(): Promise<void>;
}

/**
 * Starts the PostgreSQL of this data directory, or joins it when another process of ours has started it, and stays a
 * member until `close()`. The first start makes the database (about a second).
 *
 * The server listens on a Unix socket in a 0700 folder and nowhere else. It survives the end of this process: after a
 * kill the next start joins it. When it is lost meanwhile, it is joined or started again in the background, with the
 * same connection data, and `log` is told.
 *
 * Waits at most 30 seconds, or 10 minutes while the server says that it is recovering after a crash.
 * @throws EmbeddedPostgresError whose `code` and message say what to repair
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { database = 'offpeak', fsync: durable = true, log = () => {} } = options;
  const directory = await prepareDataDirectory(options.dataDir);
  const binaries = await findBinaries(directory.account);
  const password = await superuserPassword(directory);
  const cluster = await ensureCluster(directory, binaries, password, durable);
  if (cluster === 'made') log(`made a new database in ${directory.cluster}`);
  const socketDirectory = await ensureSocketDirectory(directory);

  const credentials = { port: PORT, user: SUPERUSER, password, database };
  const choices = { directory, binaries, socketDirectory, durable, credentials, log };
  const joined = await join(choices, new AbortController().signal);
  log(`${joined.started ? 'started' : 'joined'} PostgreSQL (process ${joined.serverId ?? 'unknown'})`);
  // Started again it must be found under the connection data that were given out, wherever they came from.
  const again = { ...choices, socketDirectory: joined.connection.host };
  const presence = new Presence(directory, joined, (signal) => join(again, signal), log);
  return {
    connection: joined.connection,
    connectionString: toUrl(joined.connection),
    joined: !joined.started,
    close: () => presence.leave(),
  };
}

function toUrl({ host, port, user, password, database }: Connection): string {
  const query = new URLSearchParams({ host, port: String(port) });
  return `postgresql://${user}:${encodeURIComponent(password)}@/${encodeURIComponent(database)}?${query.toString()}`;
}
