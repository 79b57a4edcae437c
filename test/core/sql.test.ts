import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { sql, sqlState, transaction, type Transaction } from '../../src/core/sql.ts';
import { stage, type Stage } from './setup.ts';

const failure = (run: () => Promise<unknown>): Promise<unknown> =>
  run().then(
    () => undefined,
    (error: unknown) => error,
  );

test('the state of a failed statement is read, however it was sent', async () => {
  const it = await stage();
  const id = it.caller.tenantId;
  const twice = (tx: Transaction) =>
    tx.$executeRaw`INSERT INTO tenant (id, name) VALUES (${id}::uuid, 'again')`;
  const statements: [string, () => Promise<unknown>][] = [
    ['23505', () => twice(it.db)],
    [
      '23505',
      () => it.db.$queryRaw(sql`INSERT INTO tenant (id, name) VALUES (${id}::uuid, 'again') RETURNING id`),
    ],
    ['23505', () => it.db.$transaction((tx) => twice(tx))],
    ['23505', () => it.db.$transaction((tx) => tx.tenant.create({ data: { id, name: 'again' } }))],
    ['23505', () => transaction(it.db, twice)],
    ['22P02', () => it.db.$executeRaw`SELECT ${'none'}::uuid`],
    ['42P01', () => it.db.$executeRaw`SELECT * FROM nowhere`],
    ['40001', () => it.db.$executeRawUnsafe(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$`)],
    ['40P01', () => it.db.$executeRawUnsafe(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$`)],
    ['55P03', () => it.db.$executeRawUnsafe(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '55P03'; END $$`)],
  ];
  for (const [state, run] of statements) expect(sqlState(await failure(run))).toBe(state);
  for (const other of [new Error('none'), undefined, 'text', { code: 'P2002' }, null])
    expect(sqlState(other)).toBeUndefined();
});

/** A counter that a second connection changes under the transaction's feet. */
async function contended(it: Stage, isolate: boolean, changes: number): Promise<number> {
  const client = new pg.Client(it.connection);
  await client.connect();
  onTestFinished(() => client.end());
  let runs = 0;
  await transaction(it.db, async (tx) => {
    runs += 1;
    if (isolate) await tx.$executeRaw`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`;
    await tx.$queryRaw`SELECT epoch FROM log_state`;
    if (runs <= changes) await client.query('UPDATE log_state SET pruned_id = pruned_id + 1');
    await tx.$executeRaw`UPDATE log_state SET epoch = epoch + 1`;
  });
  return runs;
}

test('a transaction that the database asks to repeat is repeated, and takes effect once', async () => {
  const it = await stage();
  expect(await contended(it, true, 2)).toBe(3);
  const [{ epoch }] = await it.db.$queryRaw<[{ epoch: number }]>`SELECT epoch FROM log_state`;
  expect(epoch).toBe(2);
});

test('but not for ever, and not for another reason', async () => {
  const it = await stage();
  expect(sqlState(await failure(() => contended(it, true, 100)))).toBe('40001');
  let runs = 0;
  const thrown = new Error('mine');
  const error = await failure(() => transaction(it.db, () => Promise.reject(((runs += 1), thrown))));
  expect([error, runs]).toEqual([thrown, 1]);
});

test('two transactions that wait for each other both succeed', async () => {
  const it = await stage();
  await it.jobs(2);
  const [a, b] = await it.db.job.findMany({ orderBy: { id: 'asc' } });
  const met = Promise.withResolvers<void>();
  let arrived = 0;
  const both = async (first: string, second: string) =>
    transaction(it.db, async (tx) => {
      await tx.$executeRaw`UPDATE job SET version = version + 1 WHERE id = ${first}::uuid`;
      if ((arrived += 1) === 2) met.resolve();
      await met.promise;
      await tx.$executeRaw`UPDATE job SET version = version + 1 WHERE id = ${second}::uuid`;
    });
  await Promise.all([both(a!.id, b!.id), both(b!.id, a!.id)]);
  expect([(await it.job(a!.id)).version, (await it.job(b!.id)).version]).toEqual([3, 3]);
});
