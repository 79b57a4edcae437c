import { Client, DatabaseError } from 'pg';

/** How to reach the server; the same object serves `pg.Client` and `pg.Pool`. */
export interface Connection {
  /** The folder of the Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/**
 * Every process holds this lock in shared mode, on one connection, for as long as it uses the server. The server
 * itself lets go of it when a process dies, however it dies. Advisory locks belong to a database: always `postgres`.
 */
const MEMBERSHIP_LOCK = '7162839405110926001';

/** How long a joiner waits for the lock: it is only ever withheld by one who is stopping the server. */
const LOCK_TIMEOUT_MS = 1_000;

/** @returns a connection that holds the membership, or throws what `pg` throws */
export async function becomeMember(connection: Connection): Promise<Client> {
  const client = await connect({ ...connection, database: 'postgres' }, 'offpeak member', LOCK_TIMEOUT_MS);
  try {
    await client.query('SELECT pg_advisory_lock_shared($1)', [MEMBERSHIP_LOCK]);
    // One statement later, CREATE DATABASE may have to wait longer for a rival's.
    await client.query('SET lock_timeout = 0');
    return client;
  } catch (error) {
    await disconnect(client);
    throw error;
  }
}

/**
 * Gives the membership up and tells whether it was the last one. Then nobody can become a member as long as this
 * connection lasts, so the server may be stopped. Of several leaving at once exactly the last finds the lock free,
 * because each lets go of its own share before it asks.
 */
export async function giveUpMembership(member: Client): Promise<'last' | 'others remain'> {
  await member.query('SELECT pg_advisory_unlock_shared($1)', [MEMBERSHIP_LOCK]);
  return claimLast(member);
}

/** The same question on a connection that is not a member. */
export async function claimLast(client: Client): Promise<'last' | 'others remain'> {
  const { rows } = await client.query<{ last: boolean }>('SELECT pg_try_advisory_lock($1) AS last', [
    MEMBERSHIP_LOCK,
  ]);
  return rows[0]?.last === true ? 'last' : 'others remain';
}

/** Creates the database unless it is there, and proves that it can be entered. */
export async function ensureDatabase(member: Client, connection: Connection): Promise<void> {
  const { rowCount } = await member.query('SELECT FROM pg_database WHERE datname = $1', [
    connection.database,
  ]);
  if (rowCount === 0) {
    const name = member.escapeIdentifier(connection.database);
    await member
      .query(`CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`)
      .catch((error: unknown) => {
        if (!isDuplicate(error)) throw error;
      });
  }
  await disconnect(await connect(connection, 'offpeak start', 0));
}

/** 42P04 when another process was faster, 23505 when it was faster by a hair. */
function isDuplicate(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '42P04' || error.code === '23505');
}

export async function connect(connection: Connection, name: string, lockTimeout: number): Promise<Client> {
  const client = new Client({
    ...connection,
    application_name: name,
    // Unset would mean PGSSLMODE of the user's shell, and there is no TLS on this socket.
    ssl: false,
    connectionTimeoutMillis: 5_000,
    lock_timeout: lockTimeout,
  });
  // Without a listener the server's end would be an uncaught exception; waiting queries are rejected anyway.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await disconnect(client);
    throw error;
  }
}

export async function disconnect(client: Client): Promise<void> {
  await client.end().catch(() => {});
}
