import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Database, Log } from '../core/index.ts';
import { PrismaClient } from '../generated/prisma/client.ts';

/** How to reach a database: a URL, or the parts of a connection over a Unix socket. */
export type Connection = Pick<
  pg.PoolConfig,
  'connectionString' | 'host' | 'port' | 'user' | 'password' | 'database'
>;

/** An open database: Prisma's client over one pool of connections. */
export interface OpenDatabase {
  db: Database;
  close(): Promise<void>;
}

/**
 * Opens a pool of at most `max` connections (16 by default) and Prisma over it. Connections that the server drops are
 * replaced at their next use; the statement that met the loss fails.
 */
export function openDatabase(connection: Connection, log: Log, max = 16): OpenDatabase {
  const pool = new pg.Pool({
    ...connection,
    max,
    application_name: 'offpeak',
    // The driver's adapter reads every timestamp as UTC, whatever zone the session has.
    options: '-c timezone=UTC',
  });
  // Without a listener, a connection lost while idle would end the process.
  pool.on('error', (error) => log.warn({ message: error.message }, 'an idle database connection was lost'));
  const db = new PrismaClient({ adapter: new PrismaPg(pool) });
  return {
    db,
    close: async () => {
      await db.$disconnect();
      await pool.end();
    },
  };
}
