import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { anthropicProvider } from '../src/adapters/anthropic.ts';
import { systemClock } from '../src/adapters/clock.ts';
import { openDatabase } from '../src/adapters/database.ts';
import { startEmbeddedPostgres } from '../src/adapters/embedded-postgres.ts';
import { migrate } from '../src/adapters/migrations.ts';
import { readConfig } from '../src/config.ts';
import { createCore, Hub, newToken, scopes, storeKey, type EnqueueItem } from '../src/core/index.ts';

// How fast jobs are stored in bulk, against the same rows inserted bare: no validation, no fingerprint, no key, no
// payload table, no event. Both run in turns in one process on one PostgreSQL with fsync on; the ratio is what counts.
const CALL = 1000; // jobs a call
const IN_FLIGHT = 4;
const ROUNDS = 5;
const ROUND_MS = 2000;
const PAYLOAD = JSON.stringify({ symbols: ['MSFT', 'AMZN', 'IBM'], note: 'x'.repeat(900) });

await using running = new AsyncDisposableStack();
const dataDir = await mkdtemp(join(tmpdir(), 'offpeak-bench-'));
running.defer(() => rm(dataDir, { recursive: true, force: true }));
await chmod(dataDir, 0o711);
const postgres = await startEmbeddedPostgres({ dataDir });
running.defer(() => postgres.close());
await migrate(postgres.connection);
const log = { info: () => {}, warn: console.warn, error: console.error };
const database = openDatabase(postgres.connection, log);
const { db } = database;
running.defer(() => database.close());
const pool = new pg.Pool({ ...postgres.connection, max: IN_FLIGHT });
running.defer(() => pool.end());

const core = createCore({
  db,
  hub: new Hub(),
  log,
  clock: systemClock,
  policy: readConfig({}).policy,
  provider: anthropicProvider({ apiKey: 'unused', baseURL: 'http://127.0.0.1:9', submitTimeout: 1000 }),
  owner: crypto.randomUUID(),
});
const token = newToken();
await storeKey(db, token, { name: 'bench', tenant: 'bench', scopes });
const actor = (await core.authenticate(token))!;
await pool.query(
  'CREATE TABLE bare (id uuid PRIMARY KEY, type text, payload text, created_at timestamptz NOT NULL)',
);

let calls = 0;
const ours = async (): Promise<void> => {
  calls += 1;
  const items = Array.from({ length: CALL }, (_, n): EnqueueItem => ({
    type: 'risk_report',
    payload: PAYLOAD,
    customId: `${calls}-${n}`,
  }));
  await core.enqueue(actor, items);
};
const bare = async (): Promise<void> => {
  const rows = Array.from({ length: CALL }, () => ({
    id: crypto.randomUUID(),
    type: 'risk_report',
    payload: PAYLOAD,
  }));
  await pool.query(
    `INSERT INTO bare SELECT id, type, payload, now() FROM jsonb_to_recordset($1::jsonb) AS r (id uuid, type text, payload text)`,
    [JSON.stringify(rows)],
  );
};

async function rowsPerSecond(call: () => Promise<void>): Promise<number> {
  const end = performance.now() + ROUND_MS;
  let rows = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (; performance.now() < end; rows += CALL) await call();
    }),
  );
  return (rows / ROUND_MS) * 1000;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const figures = { ours: [] as number[], bare: [] as number[] };
await Promise.all([ours(), bare()]); // warm up
for (let round = 0; round < ROUNDS; round += 1) {
  figures.ours.push(await rowsPerSecond(ours));
  figures.bare.push(await rowsPerSecond(bare));
}
const show = (values: number[]) =>
  `${Math.round(median(values))} rows/s (${Math.round(Math.min(...values))}–${Math.round(Math.max(...values))})`;
console.log(`enqueue, ${CALL} a call, ${IN_FLIGHT} in flight:  ${show(figures.ours)}`);
console.log(`bare insert of the same rows:         ${show(figures.bare)}`);
console.log(
  `ratio of medians:                     ${(median(figures.ours) / median(figures.bare)).toFixed(2)}`,
);
