import { describe, expect, test } from 'vitest';
import type { FaultAction } from '../../src/emulator/index.ts';
import { otherProcess, stage, type Stage } from './setup.ts';

const finished = ({ db }: Stage) => db.job.count({ where: { status: 'completed' } });
const booked = ({ db }: Stage) => db.batchItem.count();
const onResults = (it: Stage, action: FaultAction) => it.emulator.addFaults([{ route: 'results', action }]);

/** A batch of so many jobs that has ended at the provider and is not ingested. */
async function endedBatch(it: Stage, jobs: number): Promise<{ id: string; names: string[] }> {
  await it.jobs(jobs);
  const { id } = await it.submit();
  await it.end();
  return { id, names: it.emulator.accepted().at(-1)!.custom_ids };
}

/** Lets the provider answer the next read of results with these lines. */
function answerWith(it: Stage, lines: readonly (string | object)[]): void {
  const body = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
  onResults(it, { kind: 'status', status: 200, body });
}

const line = (name: string, message: object = {}) => ({
  custom_id: name,
  result: {
    type: 'succeeded',
    message: {
      model: 'claude-sonnet-5',
      stop_reason: 'end_turn',
      content: [{ type: 'text', text: 'none' }],
      usage: { input_tokens: 1, output_tokens: 1 },
      ...message,
    },
  },
});

describe('results that break off are read again, and nothing is lost or booked twice', () => {
  const faults: [string, FaultAction][] = [
    ['reset between two lines', { kind: 'reset-at-boundary', afterLines: 5 }],
    ['reset in a line', { kind: 'reset-mid-line', afterLines: 5 }],
    ['an orderly end too early', { kind: 'clean-early-end', afterLines: 5 }],
    ['an orderly end before the first line', { kind: 'clean-early-end', afterLines: 0 }],
    ['not found at first', { kind: 'status', status: 404 }],
    ['overloaded', { kind: 'status', status: 529, headers: { 'retry-after': '3600' } }],
    ['a connection lost', { kind: 'reset-before' }],
  ];
  test.each(faults)('%s', async (_name, action) => {
    const it = await stage({ policy: { ingestRows: 3 } });
    const { id } = await endedBatch(it, 12);
    onResults(it, action);
    expect(await it.core.ingestBatch(id)).toBe('incomplete');
    expect(await it.batch(id)).toMatchObject({ status: 'ended', leaseOwner: null, pollFailures: 1 });
    expect(await finished(it)).toBeLessThanOrEqual('afterLines' in action ? action.afterLines : 0);
    await it.worker.ingest();
    expect(await it.batch(id)).toMatchObject({ status: 'ingested' });
    expect([await finished(it), await booked(it)]).toEqual([12, 12]);
    expect(await it.db.jobEvent.count({ where: { move: 'completed' } })).toBe(12);
  });

  test('half a line at an orderly end', async () => {
    const it = await stage();
    const { id, names } = await endedBatch(it, 2);
    answerWith(it, [line(names[0]!), JSON.stringify(line(names[1]!)).slice(0, 50)]);
    expect(await it.core.ingestBatch(id)).toBe('incomplete');
    expect(await booked(it), 'the whole lines are booked').toBe(1);
    expect(await it.core.ingestBatch(id)).toBe('ingested');
    expect(await booked(it)).toBe(2);
  });
});

test('blank lines, repeated lines and a missing newline at the end do no harm', async () => {
  const it = await stage({ policy: { ingestRows: 2 } });
  const { id, names } = await endedBatch(it, 2);
  const [first, second] = names.map((name) => JSON.stringify(line(name)));
  onResults(it, { kind: 'status', status: 200, body: `\n${first}\r\n\n  \n${first}\n${first}\n${second}` });
  expect(await it.core.ingestBatch(id)).toBe('ingested');
  expect(await booked(it)).toBe(2);
});

test('a line that says nothing keeps the batch open, and its neighbours are booked', async () => {
  const it = await stage();
  const { id, names } = await endedBatch(it, 2);
  answerWith(it, [
    '{}',
    'null',
    '[1]',
    '{"custom_id":7,"result":{}}',
    { custom_id: names[1] },
    line(names[0]!),
  ]);
  expect(await it.core.ingestBatch(id)).toBe('incomplete');
  expect(await booked(it)).toBe(1);
  expect(await it.core.ingestBatch(id)).toBe('ingested');
});

test('whatever the provider writes into its fields can be stored', async () => {
  const it = await stage();
  const { id, names } = await endedBatch(it, 5);
  const odd = 'a\0b\ud800';
  answerWith(it, [
    line(names[0]!, { model: odd, stop_reason: odd, content: null, usage: null }),
    line(names[1]!, { usage: { input_tokens: -5, output_tokens: 1.5, cache_read_input_tokens: 1e12 } }),
    line(names[2]!, {
      content: [{ type: 'thinking', thinking: '…' }, null, { type: 'text' }],
      stop_reason: null,
    }),
    {
      custom_id: names[3],
      result: { type: 'errored', error: { error: { type: odd, message: odd }, request_id: odd } },
    },
    { custom_id: names[4], result: { type: 'postponed', error: null } },
  ]);
  expect(await it.core.ingestBatch(id)).toBe('ingested');
  expect(await it.db.job.groupBy({ by: ['status'], _count: true })).toEqual([
    { status: 'failed', _count: 5 },
  ]);
});

test('results that nobody asked for are booked without a job', async () => {
  const it = await stage();
  const { id, names } = await endedBatch(it, 1);
  const later = names[0]!.replace(/_1$/, '_2');
  answerWith(it, [line('a stranger'), line(later), line(names[0]!)]);
  expect(await it.core.ingestBatch(id)).toBe('ingested');
  const strange = await it.db.batchItem.findMany({ where: { jobId: null } });
  expect(strange.map(({ customId }) => customId).toSorted()).toEqual(['a stranger', later].toSorted());
  expect(it.log.filter(({ message }) => message.includes('never asked for'))).toHaveLength(2);
});

test('a job whose result is not among the complete results fails and is not sent again by itself', async () => {
  const it = await stage();
  const { id, names } = await endedBatch(it, 2);
  answerWith(it, [line(names[0]!), line('a stranger')]);
  expect(await it.core.ingestBatch(id)).toBe('ingested');
  expect(await it.db.job.count({ where: { status: 'processing' } })).toBe(0);
  expect(await it.db.jobOutcome.count({ where: { errorCode: 'RESULT_MISSING' } })).toBe(1);
});

test('an ingest that is run twice, or by two processes at once, books everything once', async () => {
  const it = await stage({ policy: { ingestRows: 4 } });
  const processes = [it.core, otherProcess(it, { ingestRows: 3 }), otherProcess(it, { ingestRows: 5 })];
  const { id } = await endedBatch(it, 30);
  await Promise.all(processes.map((core) => core.ingestBatch(id)));
  // As if the lease of each had run out while it worked.
  await it.db.$executeRaw`UPDATE batch SET status = 'ended', lease_until = NULL`;
  const eager = processes.map(async (core) => {
    await it.db.$executeRaw`UPDATE batch SET lease_until = NULL`;
    return core.ingestBatch(id);
  });
  await Promise.all(eager);
  expect((await it.batch(id)).status).toBe('ingested');
  expect(await it.core.ingestBatch(id)).toBe('busy');
  expect([await finished(it), await booked(it)]).toEqual([30, 30]);
  expect(await it.db.jobEvent.count({ where: { move: 'completed' } })).toBe(30);
  const stats = await it.core.readStats(it.caller);
  expect(stats.byStatus.completed).toBe(30n);
});

test('who has lost the lease does not give up that of another', async () => {
  const it = await stage();
  const { id } = await endedBatch(it, 3);
  await it.emulator.settings({ resultsDelayMs: 100 });
  onResults(it, { kind: 'reset-at-boundary', afterLines: 2 });
  const mine = it.core.ingestBatch(id);
  while (!(await it.batch(id)).leaseOwner) await new Promise((resolve) => setImmediate(resolve));
  const other = crypto.randomUUID();
  await it.db
    .$executeRaw`UPDATE batch SET lease_owner = ${other}::uuid, lease_until = now() + interval '1 minute'`;
  expect(await mine).toBe('incomplete');
  expect((await it.batch(id)).leaseOwner).toBe(other);
});

test('the results of a cancelled job are booked and change nothing about it', async () => {
  const it = await stage();
  const [kept, cancelled] = await it.jobs(2);
  await it.submit();
  await it.core.cancelJob(it.caller, cancelled!);
  const before = await it.job(cancelled!);
  await it.end();
  await it.worker.ingest();
  expect(await it.job(cancelled!)).toEqual(before);
  expect(await it.db.jobOutcome.findUnique({ where: { jobId: cancelled! } })).toMatchObject({
    status: 'cancelled',
    result: null,
  });
  expect((await it.job(kept!)).status).toBe('completed');
  expect(await it.db.batchItem.count({ where: { jobId: cancelled! } })).toBe(1);
});

test('long answers are booked in several steps', async () => {
  const it = await stage();
  const { id, names } = await endedBatch(it, 8);
  const text = 'x'.repeat(3_000_000);
  answerWith(
    it,
    names.map((name) => line(name, { content: [{ type: 'text', text }] })),
  );
  expect(await it.core.ingestBatch(id)).toBe('ingested');
  expect(it.log.filter(({ message }) => message === 'results booked').length).toBeGreaterThan(1);
});

test('batches of another account are not read', async () => {
  const it = await stage();
  const { id } = await endedBatch(it, 1);
  await it.db.$executeRaw`UPDATE batch SET provider_identity = 'simulated:another'`;
  await it.worker.ingest();
  await it.core.pollNow(it.caller, id, 10);
  expect(it.emulator.requests().filter(({ route }) => route === 'results')).toHaveLength(0);
});
