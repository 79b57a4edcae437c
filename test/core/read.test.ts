import { describe, expect, test } from 'vitest';
import { StoppedClock } from '../../src/adapters/clock.ts';
import { CursorInvalidError, type Actor, type JobFilter, type PageRequest } from '../../src/core/index.ts';
import { enqueued, stage, type Stage } from './setup.ts';

interface Row {
  id: string;
  createdAt: Date;
}
const page = ({ core, caller }: Stage, request: PageRequest, filter: JobFilter = {}, actor: Actor = caller) =>
  core.listJobs<Row>(actor, filter, request, {});

/** Eleven jobs, most of them of the same millisecond; newest first, as a list shows them. */
async function eleven(): Promise<{ it: Stage; newestFirst: string[] }> {
  const clock = new StoppedClock(new Date('2026-06-01T00:00:00Z'));
  const it = await stage({ clock });
  const older = await it.jobs(2);
  clock.advance(1);
  const same = await it.jobs(8);
  clock.advance(1);
  const newer = await it.jobs(1);
  const down = (ids: string[]) => ids.toSorted().toReversed();
  return { it, newestFirst: [...newer, ...down(same), ...down(older)] };
}

describe('pages', () => {
  test('forwards give every job once, also those of the same time', async () => {
    const { it, newestFirst } = await eleven();
    const seen: string[] = [];
    for (let after: string | undefined, more = true; more;) {
      const { rows, hasNextPage, hasPreviousPage } = await page(it, { size: 3, after });
      expect(hasPreviousPage).toBe(after !== undefined);
      seen.push(...rows.map(({ row }) => row.id));
      after = rows.at(-1)!.cursor;
      more = hasNextPage;
    }
    expect(seen).toEqual(newestFirst);
  });

  test('backwards give them in the same order', async () => {
    const { it, newestFirst } = await eleven();
    let seen: string[] = [];
    for (let before: string | undefined, more = true; more;) {
      const { rows, hasPreviousPage, hasNextPage } = await page(it, { size: 4, before, backward: true });
      expect(hasNextPage).toBe(before !== undefined);
      seen = [...rows.map(({ row }) => row.id), ...seen];
      before = rows[0]!.cursor;
      more = hasPreviousPage;
    }
    expect(seen).toEqual(newestFirst);
  });

  test('keep their place while jobs come and go', async () => {
    const { it, newestFirst } = await eleven();
    const first = await page(it, { size: 5 });
    await it.jobs(3);
    await it.db.$executeRaw`DELETE FROM job WHERE id = ${newestFirst[4]}::uuid`;
    const second = await page(it, { size: 20, after: first.rows.at(-1)!.cursor });
    expect(second.rows.map(({ row }) => row.id)).toEqual(newestFirst.slice(5));
  });

  test('follow their filter, and so does their count', async () => {
    const it = await stage();
    const [risk] = await it.jobs([{ type: 'risk_report' }]);
    const [summary, other] = await it.jobs([{ type: 'portfolio_summary' }, { type: 'portfolio_summary' }]);
    await it.core.cancelJob(it.caller, other!);
    const ids = async (filter: JobFilter) =>
      (await page(it, { size: 10 }, filter)).rows.map(({ row }) => row.id);
    expect(await ids({ type: ['risk_report'] })).toEqual([risk]);
    expect(await ids({ type: ['portfolio_summary'], status: ['pending'] })).toEqual([summary]);
    expect(await ids({ status: ['cancelled', 'failed'] })).toEqual([other]);
    expect(await ids({ status: [], type: [] })).toHaveLength(3);
    for (const filter of [{}, { type: ['portfolio_summary' as const] }, { status: ['pending' as const] }])
      expect(await it.core.countJobs(it.caller, filter)).toBe(BigInt((await ids(filter)).length));
  });
});

test('a cursor of another filter, another tenant or no list at all is refused', async () => {
  const it = await stage();
  await it.jobs(2);
  const { cursor } = (await page(it, { size: 1 })).rows[0]!;
  const [list] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [string];
  const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify([list, ...parts])).toString('base64url');
  const stranger = await it.actor('stranger');
  await expect(page(it, { size: 1, after: cursor }, { status: ['pending'] })).rejects.toThrow(
    CursorInvalidError,
  );
  await expect(page(it, { size: 1, after: cursor }, {}, stranger)).rejects.toThrow(CursorInvalidError);
  for (const wrong of [
    '',
    'garbage',
    Buffer.from('null').toString('base64url'),
    forged(),
    forged(0, 'no id'),
    forged(0, '-'.repeat(36)),
    forged(1e15, crypto.randomUUID()),
    forged(-1e14, crypto.randomUUID()),
    forged('2026', crypto.randomUUID()),
  ])
    await expect(page(it, { size: 1, before: wrong })).rejects.toThrow(CursorInvalidError);
});

test('a tenant sees its own jobs, batches and figures, and nobody else’s', async () => {
  const it = await stage();
  const stranger = await it.actor('stranger');
  const [mine] = await it.jobs(1);
  const [theirs] = await enqueued(it.core, stranger, [{}]);
  const batch = await it.run();
  expect(await it.core.readJob(it.caller, theirs!, {})).toBeUndefined();
  expect(await it.core.readJob(stranger, mine!, {})).toBeUndefined();
  expect(await it.core.readBatch(it.caller, { id: batch.id }, {})).toMatchObject({ id: batch.id });
  expect(await it.core.readBatch(stranger, { id: batch.id }, {})).toBeUndefined();
  const { providerBatchId } = batch;
  expect(await it.core.readBatch(stranger, { providerBatchId: providerBatchId! }, {})).toBeUndefined();
  expect((await page(it, { size: 10 }, {}, stranger)).rows.map(({ row }) => row.id)).toEqual([theirs]);
  expect(await it.core.readStats(stranger)).toMatchObject({
    total: 1n,
    byStatus: { pending: 1n },
    inputTokens: 0n,
  });
  await expect(it.core.watchJob(stranger, mine!)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a key without the scope reads nothing', async () => {
  const it = await stage();
  const [job] = await it.jobs(1);
  const nobody = await it.actor('default', []);
  const forbidden = { code: 'FORBIDDEN' };
  await expect(it.core.readJob(nobody, job!, {})).rejects.toMatchObject(forbidden);
  await expect(page(it, { size: 1 }, {}, nobody)).rejects.toMatchObject(forbidden);
  await expect(it.core.readStats(nobody)).rejects.toMatchObject(forbidden);
  await expect(it.core.watchJob(nobody, job!)).rejects.toMatchObject(forbidden);
});
