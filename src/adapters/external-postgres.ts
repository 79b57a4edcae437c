import { Client } from 'pg';

export type ExternalPostgresErrorCode =
  | 'URL_INVALID'
  | 'CANNOT_CONNECT'
  | 'SERVER_TOO_OLD'
  | 'ENCODING_NOT_UTF8'
  | 'READ_ONLY'
  | 'NO_CREATE_RIGHT'
  | 'TRANSACTION_POOLER';

/** The message says what was found and what is needed; neither it nor its cause holds the password. */
export class ExternalPostgresError extends Error {
  override readonly name = 'ExternalPostgresError';
  readonly code: ExternalPostgresErrorCode;

  constructor(code: ExternalPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface ExternalDatabaseOptions {
  /** The schema the tables go to. Default: the first of the search path. It may be missing if it can be created. */
  schema?: string;
  /** For each of the two connections. Default 10 seconds. */
  connectTimeoutMs?: number;
}

const OLDEST_VERSION = 150_000;

/**
 * Whether the database of a DATABASE_URL can hold Offpeak's data, found out before anything is written to it:
 * PostgreSQL 15 or newer, UTF8, writable, a schema to make tables in, and a session that stays the same session.
 * Opens two connections and closes them again.
 * @throws ExternalPostgresError for the first of these that does not hold
 */
export async function checkExternalDatabase(
  connectionString: string,
  options: ExternalDatabaseOptions = {},
): Promise<void> {
  const timeout = options.connectTimeoutMs ?? 10_000;
  const first = await connect(connectionString, timeout);
  try {
    const facts = await readFacts(first, options.schema);
    refuseOldServer(facts.version);
    refuseOtherEncoding(facts);
    refuseReadOnly(facts);
    refuseWithoutSchema(facts);
    const second = await connect(connectionString, timeout);
    try {
      await refuseTransactionPooler(first, second);
    } finally {
      await disconnect(second);
    }
  } finally {
    await disconnect(first);
  }
}

/** @param version `server_version_num`, for example 150004 for 15.4 */
export function refuseOldServer(version: number): void {
  if (version >= OLDEST_VERSION) return;
  const found = version >= 100_000 ? Math.floor(version / 10_000) : (version / 10_000).toFixed(1);
  const message = `The database server is PostgreSQL ${found}; Offpeak needs PostgreSQL 15 or newer.`;
  throw new ExternalPostgresError('SERVER_TOO_OLD', message);
}

async function connect(connectionString: string, timeout: number): Promise<Client> {
  const client = parse(connectionString, timeout);
  // Without a listener the loss of this connection would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await disconnect(client);
    const place = `${client.host}:${client.port}, database "${client.database ?? ''}", user "${client.user ?? ''}"`;
    throw new ExternalPostgresError(
      'CANNOT_CONNECT',
      `Cannot connect to PostgreSQL at ${place}: ${reasonOf(error)}. Check DATABASE_URL and that the server runs.`,
      { cause: error },
    );
  }
}

async function disconnect(client: Client): Promise<void> {
  await client.end().catch(() => {});
}

function parse(connectionString: string, timeout: number): Client {
  const shape = 'postgresql://user:password@host:5432/database';
  const invalid = `DATABASE_URL is not a PostgreSQL URL; it looks like ${shape}, with special characters %-encoded.`;
  if (!/^postgres(ql)?:\/\//.test(connectionString)) throw new ExternalPostgresError('URL_INVALID', invalid);
  try {
    return new Client({
      connectionString,
      application_name: 'offpeak check',
      connectionTimeoutMillis: timeout,
    });
  } catch {
    // No cause: Node's ERR_INVALID_URL carries its input, and with it the password.
    throw new ExternalPostgresError('URL_INVALID', invalid);
  }
}

/** Node reports a failure of all addresses of a host as one AggregateError with an empty message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map((one) => reasonOf(one)).join(', ');
  return error instanceof Error ? error.message : String(error);
}

interface Facts {
  readonly version: number;
  readonly encoding: string;
  readonly database: string;
  readonly role: string;
  readonly schema: string | null;
  readonly mayCreate: boolean | null;
  readonly standby: boolean;
  readonly readOnly: boolean;
}

async function readFacts(client: Client, schema: string | undefined): Promise<Facts> {
  const { rows } = await client.query<Facts>(
    `SELECT current_setting('server_version_num')::int AS version,
            current_setting('server_encoding') AS encoding,
            current_database() AS database,
            current_user AS role,
            s.schema,
            CASE WHEN to_regnamespace(quote_ident(s.schema)) IS NULL
                 THEN has_database_privilege(current_database(), 'CREATE')
                 ELSE has_schema_privilege(s.schema, 'CREATE') END AS "mayCreate",
            pg_is_in_recovery() AS standby,
            current_setting('transaction_read_only') = 'on' AS "readOnly"
       FROM (SELECT coalesce($1, current_schema())::text AS schema) AS s`,
    [schema ?? null],
  );
  const [facts] = rows;
  if (facts === undefined) throw new Error('a SELECT without FROM a table always answers one row');
  return facts;
}

function refuseOtherEncoding({ encoding, database }: Facts): void {
  if (encoding === 'UTF8') return;
  throw new ExternalPostgresError(
    'ENCODING_NOT_UTF8',
    `The database "${database}" has the encoding ${encoding}; Offpeak needs UTF8. ` +
      `Make another one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.`,
  );
}

function refuseReadOnly({ standby, readOnly, database }: Facts): void {
  if (!standby && !readOnly) return;
  const found = standby
    ? 'is on a standby server, which is read-only: DATABASE_URL must name the primary'
    : 'is read-only for this user: default_transaction_read_only must be off';
  throw new ExternalPostgresError('READ_ONLY', `The database "${database}" ${found}.`);
}

function refuseWithoutSchema({ schema, mayCreate, role, database }: Facts): void {
  if (schema !== null && mayCreate === true) return;
  const found =
    schema === null
      ? `The search path of user "${role}" names no schema that exists in the database "${database}"`
      : `The user "${role}" may not create tables in the schema "${schema}" of the database "${database}"`;
  const grant = `GRANT USAGE, CREATE ON SCHEMA ${schema ?? 'public'} TO "${role}"`;
  throw new ExternalPostgresError('NO_CREATE_RIGHT', `${found}. As its owner or a superuser: ${grant}.`);
}

/**
 * Two connections that are open at once have two sessions, unless a pooler deals out its sessions per transaction.
 * Asking one connection only would not do: a pooler with one idle session always answers with that one.
 */
async function refuseTransactionPooler(first: Client, second: Client): Promise<void> {
  const own = await sessionOf(first);
  for (let round = 0; round < 3; round++) {
    const others = await sessionOf(second);
    if (others !== own && (await sessionOf(first)) === own) continue;
    throw new ExternalPostgresError(
      'TRANSACTION_POOLER',
      'DATABASE_URL leads through a connection pooler in transaction mode (such as PgBouncer), where LISTEN and ' +
        'session locks do not work. Use its session mode (pool_mode=session), or the address of PostgreSQL itself.',
    );
  }
}

async function sessionOf(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid;
}
