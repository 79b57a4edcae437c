import { describe, expect, test } from 'vitest';
import {
  batchMoves,
  jobMoves,
  moveBatch,
  moveJobs,
  type JobStatus,
  type Move,
} from '../../src/core/states.ts';
import { sql, sqlState } from '../../src/core/sql.ts';
import { jobStatusValues, stateOf } from './every-state.ts';
import { stage } from './setup.ts';

const CHECK_VIOLATION = '23514';

test('a job makes the legal moves and no other, each with one event and the next version', async () => {
  const it = await stage();
  for (const from of jobStatusValues) {
    for (const [name, move] of Object.entries(jobMoves) as [
      Move,
      { from: readonly JobStatus[]; to: JobStatus },
    ][]) {
      const id = await stateOf(it, from);
      const before = await it.job(id);
      await it.db.$executeRaw(sql`
        WITH ${moveJobs([name], {
          at: sql`now()`,
          where: sql`job.id = ${id}::uuid`,
          ...(name === 'claimed' && { batchId: crypto.randomUUID() }),
        })} SELECT 1`);
      const after = await it.job(id);
      const legal = move.from.includes(from);
      expect([name, after.status]).toEqual([name, legal ? move.to : from]);
      expect(after.version).toBe(before.version + (legal ? 1 : 0));
      const events = await it.db.jobEvent.findMany({ where: { jobId: id, version: { gt: before.version } } });
      expect(events.map((event) => [event.move, event.status, event.version])).toEqual(
        legal ? [[name, move.to, before.version + 1]] : [],
      );
    }
  }
});

describe('the tables refuse', () => {
  const impossible: [string, JobStatus, string][] = [
    ['a pending job in a batch', 'pending', `batch_id = gen_random_uuid()`],
    ['a pending job that cannot be claimed', 'pending', `claimable = false`],
    ['a processing job in no batch', 'processing', `batch_id = NULL`],
    ['a processing job that can be claimed', 'processing', `claimable = true`],
    ['a completed job of no batch', 'completed', `batch_id = NULL`],
    ['a finished job that can be claimed', 'failed', `claimable = true`],
    ['more attempts than there may be', 'pending', `attempt = max_attempts + 1`],
    ['a priority beyond the range', 'pending', `priority = 101`],
    ['an end before the start', 'pending', `run_after = now(), deadline = now() - interval '1 s'`],
  ];
  test.each(impossible)('%s', async (_name, from, set) => {
    const it = await stage();
    const id = await stateOf(it, from);
    const error = await it.db
      .$executeRawUnsafe(`UPDATE job SET ${set} WHERE id = '${id}'`)
      .catch((thrown: unknown) => thrown);
    expect(sqlState(error)).toBe(CHECK_VIOLATION);
  });

  const impossibleBatches: [string, string][] = [
    ['a POST without an intent', `status = 'submitting'`],
    [
      'a batch in progress without the provider’s id',
      `status = 'in_progress', intent_at = now(), body_hash = 'x', provider_identity = 'y'`,
    ],
    ['a provider’s id before the POST', `provider_batch_id = 'z'`],
    ['a rejection without a reason', `status = 'rejected'`],
  ];
  test.each(impossibleBatches)('%s', async (_name, set) => {
    const it = await stage();
    await it.jobs(1);
    await it.seal();
    const error = await it.db.$executeRawUnsafe(`UPDATE batch SET ${set}`).catch((thrown: unknown) => thrown);
    expect(sqlState(error)).toBe(CHECK_VIOLATION);
  });

  test.each([
    [`status = 'failed', error_code = NULL, result = NULL`],
    [`status = 'completed', error_code = 'X', result = '{}'`],
    [`status = 'completed', error_code = NULL, result = NULL`],
    [`status = 'pending', error_code = NULL, result = NULL`],
  ])('an outcome with %s', async (set) => {
    const it = await stage();
    await it.jobs(1);
    await it.run();
    const error = await it.db
      .$executeRawUnsafe(`UPDATE job_outcome SET ${set}`)
      .catch((thrown: unknown) => thrown);
    expect(sqlState(error)).toBe(CHECK_VIOLATION);
  });
});

test('a batch moves only from where it is said to be, and gives its lease back', async () => {
  const it = await stage();
  await it.jobs(1);
  const { id } = await it.submit();
  await it.db.$executeRaw`UPDATE batch SET lease_owner = gen_random_uuid(), lease_until = now()`;
  expect(await moveBatch(it.db, id, 'canceling', 'ended')).toBe(false);
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', leaseOwner: expect.any(String) });
  expect(await moveBatch(it.db, id, 'in_progress', 'canceling')).toBe(true);
  expect(await it.batch(id)).toMatchObject({ status: 'canceling', leaseOwner: null, leaseUntil: null });
});

test('an illegal move of a batch does not compile', () => {
  type Db = Parameters<typeof moveBatch>[0];
  const compiledOnly = (db: Db) => [
    () => moveBatch(db, '', 'sealed', 'submitting'),
    // @ts-expect-error: a batch is submitted before it is in progress
    () => moveBatch(db, '', 'sealed', 'in_progress'),
    // @ts-expect-error: results are booked when it has ended
    () => moveBatch(db, '', 'in_progress', 'ingested'),
    // @ts-expect-error: nothing leads back
    () => moveBatch(db, '', 'ended', 'in_progress'),
    // @ts-expect-error: an ingested batch is done
    () => moveBatch(db, '', 'ingested', 'ended'),
    // @ts-expect-error: nor does a rejected one
    () => moveBatch(db, '', 'rejected', 'sealed'),
    // @ts-expect-error: no such state
    () => moveBatch(db, '', 'in_progress', 'lost'),
  ];
  expect(compiledOnly).toBeTypeOf('function');
  expect(batchMoves.ingested).toEqual([]);
});
