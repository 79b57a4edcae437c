import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import type { Connection } from '../../src/adapters/database.ts';
import { migrate, MigrationError } from '../../src/adapters/migrations.ts';
import { cloneDatabase } from '../harness/database.ts';

/** An empty database, for one test. */
async function emptyDatabase(): Promise<Connection> {
  const name = `empty_${randomBytes(6).toString('hex')}`;
  const admin = { ...inject('cluster'), database: 'postgres' };
  await run(admin, `CREATE DATABASE ${name} TEMPLATE template0`);
  onTestFinished(async () => void (await run(admin, `DROP DATABASE ${name} WITH (FORCE)`)));
  return { ...inject('cluster'), database: name };
}

/** A migrated database, for one test. */
async function migrated(): Promise<Connection> {
  const { connection, drop } = await cloneDatabase();
  onTestFinished(drop);
  return connection;
}

async function run(connection: Connection, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

const applied = (connection: Connection) =>
  run(
    connection,
    'SELECT migration_name, finished_at, applied_steps_count FROM _prisma_migrations ORDER BY 1',
  );

test('an empty database gets every migration once, however often it is migrated', async () => {
  const connection = await emptyDatabase();
  const names = await migrate(connection);
  expect(names.length).toBeGreaterThan(0);
  const before = await applied(connection);
  expect(before.map((row) => row['migration_name'])).toEqual(names);
  expect(before.every((row) => row['finished_at'] instanceof Date)).toBe(true);
  expect(await migrate(connection)).toEqual([]);
  expect(await applied(connection)).toEqual(before);
});

test('four processes that start at once migrate it once', async () => {
  const connection = await emptyDatabase();
  const names = await Promise.all([1, 2, 3, 4].map(() => migrate(connection)));
  expect(names.filter((list) => list.length > 0)).toHaveLength(1);
  expect(await applied(connection)).toHaveLength(names.flat().length);
});

test('a migration that fails leaves nothing of it behind, and can be tried again', async () => {
  const connection = await emptyDatabase();
  await run(connection, 'CREATE TABLE price (in_the_way int)');
  await expect(migrate(connection)).rejects.toThrow(/price/);
  expect(await run(connection, `SELECT 1 FROM pg_class WHERE relname = 'job'`)).toEqual([]);
  expect(await applied(connection)).toEqual([]);
  await run(connection, 'DROP TABLE price');
  expect((await migrate(connection)).length).toBeGreaterThan(0);
});

test.each([
  [`checksum = repeat('0', 64)`, /applied with other content/],
  [`finished_at = NULL`, /failed half-way\. Restore/],
  [`migration_name = '20991231000000_future'`, /20991231000000_future, which this version does not know/],
])('a database whose history says %s is refused, and left as it is', async (set, message) => {
  const connection = await migrated();
  await run(connection, `UPDATE _prisma_migrations SET ${set}`);
  const before = await applied(connection);
  const error = await migrate(connection).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MigrationError);
  expect((error as Error).message).toMatch(message);
  expect(await applied(connection)).toEqual(before);
});

test('a migration that an operator marked as rolled back does not count', async () => {
  const connection = await migrated();
  await run(
    connection,
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, rolled_back_at) VALUES ('x', 'y', 'z', now())`,
  );
  expect(await migrate(connection)).toEqual([]);
});
