import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';
import type { Connection } from './database.ts';

const folder = new URL('../../prisma/migrations/', import.meta.url);

/** Any number that nobody else takes: "offpeak!" in ASCII. */
const LOCK = 0x6f666670_65616b21n;

/** Prisma's own table, so that its command line tools accept a database that we have migrated. */
const TABLE = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
    migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0
  )`;

interface Applied {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
}

/** The database's migrations do not fit this program; the message says which one and what to do. */
export class MigrationError extends Error {
  override name = 'MigrationError';
}

/**
 * Brings a database to this program's schema and returns the names of the migrations applied now. Prisma's format and
 * table, without Prisma's engine. Each file is one transaction; an advisory lock lets any number of processes start at
 * once. Throws MigrationError when the database holds a migration that is failed, changed, or not ours.
 */
export async function migrate(connection: Connection): Promise<string[]> {
  const client = new pg.Client({ ...connection, application_name: 'offpeak migrate' });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await client.query(TABLE);
    const files = await readMigrations();
    const { rows } = await client.query<Applied>(
      'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL',
    );
    for (const row of rows) check(row, files);
    const pending = files.filter(({ name }) => !rows.some((row) => row.migration_name === name));
    for (const file of pending) await apply(client, file);
    return pending.map(({ name }) => name);
  } finally {
    await client.end(); // which also frees the lock
  }
}

interface MigrationFile {
  name: string;
  text: string;
  checksum: string;
}

async function readMigrations(): Promise<MigrationFile[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.toSorted().map(async (name) => {
      const text = await readFile(new URL(`${name}/migration.sql`, folder), 'utf8');
      return { name, text, checksum: createHash('sha256').update(text).digest('hex') };
    }),
  );
}

function check(row: Applied, files: readonly MigrationFile[]): void {
  const file = files.find(({ name }) => name === row.migration_name);
  if (!file) {
    throw new MigrationError(
      `The database holds the migration ${row.migration_name}, which this version does not know: it is used by a newer Offpeak, or by another program. Upgrade this one, or name another database.`,
    );
  }
  if (!row.finished_at) {
    throw new MigrationError(
      `The migration ${row.migration_name} failed half-way. Restore the database from its backup.`,
    );
  }
  if (row.checksum !== file.checksum) {
    throw new MigrationError(
      `The migration ${row.migration_name} was applied with other content than this version's file has.`,
    );
  }
}

/** The file and its mark are one transaction, so a crash leaves either both or none. */
async function apply(client: pg.Client, { name, text, checksum }: MigrationFile): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(text);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}
