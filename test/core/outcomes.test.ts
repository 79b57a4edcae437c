import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/emulator/index.ts';
import { HOUR, stage, type Stage } from './setup.ts';

/** One job whose provider is told how to end it, all the way to the end of its first ingest. */
async function ended(outcome: Outcome, times?: number): Promise<{ it: Stage; jobId: string }> {
  const it = await stage({ emulator: { outcomes: [{ outcome, ...(times ? { times } : {}) }] } });
  const [jobId] = await it.jobs(1);
  await it.run();
  return { it, jobId: jobId! };
}

const outcomeOf = ({ db }: Stage, jobId: string) => db.jobOutcome.findUnique({ where: { jobId } });
const items = ({ db }: Stage) => db.batchItem.findMany({ orderBy: { seq: 'asc' } });

test('an answer in the promised form completes the job', async () => {
  const it = await stage();
  const [jobId] = await it.jobs(1);
  const batch = await it.run();
  expect(batch).toMatchObject({ status: 'ingested', succeeded: 1, nextPollAt: null, leaseOwner: null });
  expect(await it.job(jobId!)).toMatchObject({
    status: 'completed',
    batchId: batch.id,
    attempt: 0,
    version: 3,
  });
  const outcome = (await outcomeOf(it, jobId!))!;
  expect(outcome).toMatchObject({ status: 'completed', errorCode: null, rawText: null });
  expect(JSON.parse(outcome.result!)).toHaveProperty('summary');
  expect(await items(it)).toMatchObject([
    { jobId, outcome: 'succeeded', stopReason: 'end_turn', jobType: 'risk_report' },
  ]);
});

describe('an answer without a usable result fails the job, with what the model said', () => {
  const cases: [string, Extract<Outcome, { type: 'succeeded' }>, string, RegExp][] = [
    ['not JSON', { type: 'succeeded', text: 'I think: {' }, 'OUTPUT_INVALID', /not JSON/],
    [
      'JSON of another form',
      { type: 'succeeded', text: '{"summary":1}' },
      'OUTPUT_INVALID',
      /summary must be string/,
    ],
    [
      'a property of unstorable name',
      { type: 'succeeded', text: '{"a\\u0000\\ud800":1}' },
      'OUTPUT_INVALID',
      /must not have the property/,
    ],
    [
      'a character that the report of the mistake cuts in two',
      { type: 'succeeded', text: '😀'.repeat(99) },
      'OUTPUT_INVALID',
      /not JSON/,
    ],
    ['half a character and a zero', { type: 'succeeded', text: 'a\0b\ud800' }, 'OUTPUT_INVALID', /not JSON/],
    [
      'cut off',
      { type: 'succeeded', stop_reason: 'max_tokens', text: '{"summary":"abc' },
      'TRUNCATED',
      /max_tokens/,
    ],
    ['refused', { type: 'succeeded', stop_reason: 'refusal', text: 'No.' }, 'REFUSED', /refused/],
    [
      'a tool call',
      { type: 'succeeded', stop_reason: 'tool_use', text: 'Hm' },
      'PROVIDER_ERROR',
      /"tool_use"/,
    ],
    [
      'a pause',
      { type: 'succeeded', stop_reason: 'pause_turn', text: 'Hm' },
      'PROVIDER_ERROR',
      /"pause_turn"/,
    ],
  ];
  test.each(cases)('%s', async (_name, outcome, errorCode, message) => {
    const { it, jobId } = await ended(outcome);
    expect(await it.job(jobId)).toMatchObject({ status: 'failed', attempt: 1 });
    const kept = (await outcomeOf(it, jobId))!;
    expect(kept).toMatchObject({ status: 'failed', errorCode, result: null });
    expect(kept.errorMessage).toMatch(message);
    expect(kept.rawText).toEqual(expect.any(String));
    const [item] = await items(it);
    expect(item).toMatchObject({ outcome: 'succeeded', jobId });
    expect(Number(item!.costUsd)).toBeGreaterThan(0);
  });
});

describe('a request that the provider refuses for good fails the job at once', () => {
  test.each([
    ['invalid_request_error', 'INVALID_REQUEST', 'temperature: Extra inputs are not permitted'],
    ['not_found_error', 'MODEL_UNAVAILABLE', 'model: claude-1'],
    ['something_new', 'PROVIDER_ERROR', 'something_new: who knows'],
  ])('%s', async (errorType, errorCode, errorMessage) => {
    const { it, jobId } = await ended({
      type: 'errored',
      errorType,
      message: errorMessage.replace(/^some.*: /, ''),
    });
    expect(await it.job(jobId)).toMatchObject({ status: 'failed', attempt: 1 });
    expect(await outcomeOf(it, jobId)).toMatchObject({ errorCode, errorMessage });
    const [item] = await items(it);
    expect(item).toMatchObject({ outcome: 'errored', errorType });
    expect(Number(item!.costUsd)).toBe(0);
  });
});

describe('a fault that may pass is tried again', () => {
  test.each(['api_error', 'overloaded_error', 'timeout_error', 'rate_limit_error'])(
    '%s',
    async (errorType) => {
      const { it, jobId } = await ended({ type: 'errored', errorType }, 2);
      expect(await it.job(jobId)).toMatchObject({
        status: 'pending',
        attempt: 1,
        batchId: null,
        claimable: true,
      });
      expect(await outcomeOf(it, jobId)).toBeNull();
      await it.run();
      expect(await it.job(jobId)).toMatchObject({ status: 'pending', attempt: 2, submission: 2 });
      await it.run();
      expect(await it.job(jobId)).toMatchObject({ status: 'completed', attempt: 2, submission: 3 });
    },
  );

  test('but not more often than its attempts allow', async () => {
    const { it, jobId } = await ended({ type: 'errored', errorType: 'api_error', message: 'down' });
    await it.run();
    await it.run();
    expect(await it.job(jobId)).toMatchObject({ status: 'failed', attempt: 3, submission: 3 });
    expect(await outcomeOf(it, jobId)).toMatchObject({
      errorCode: 'PROVIDER_ERROR',
      errorMessage: 'api_error: down',
    });
    expect(await items(it)).toHaveLength(3);
  });

  test('after a pause that doubles', async () => {
    const it = await stage({
      policy: { retryDelay: 60_000 },
      emulator: { outcomes: [{ outcome: { type: 'errored', errorType: 'api_error' } }] },
    });
    const [jobId] = await it.jobs(1);
    const pause = async () => {
      const { dueAt, updatedAt } = await it.job(jobId!);
      return dueAt.getTime() - updatedAt.getTime();
    };
    await it.run();
    expect(await pause()).toBe(60_000);
    await it.db.$executeRaw`UPDATE job SET due_at = now() - interval '1 second'`;
    await it.run();
    expect(await pause()).toBe(120_000);
  });
});

test('an expired request goes back into the queue twice, not counted as an attempt, and fails the third time', async () => {
  const it = await stage({ emulator: { outcomes: [{ outcome: { type: 'expired' } }] } });
  const [jobId] = await it.jobs(1);
  for (let time = 1; time <= 3; time += 1) {
    const { id } = await it.submit();
    await it.emulator.advance(25 * HOUR);
    await it.worker.poll();
    await it.worker.ingest();
    expect(await it.batch(id)).toMatchObject({ status: 'ingested', expired: 1 });
    expect(await it.job(jobId!)).toMatchObject({
      status: time < 3 ? 'pending' : 'failed',
      attempt: 0,
      expiries: time,
      submission: time,
    });
  }
  expect(await outcomeOf(it, jobId!)).toMatchObject({ errorCode: 'EXPIRED' });
});

test('a batch that somebody else cancels gives its results, and the rest goes back into the queue', async () => {
  const it = await stage();
  const [jobId] = await it.jobs(1);
  const { id, providerBatchId } = await it.submit();
  await fetch(`${it.emulator.url}/v1/messages/batches/${providerBatchId}/cancel`, {
    method: 'POST',
    headers: { 'x-api-key': 'test-key', 'anthropic-version': '2023-06-01' },
  });
  await it.worker.poll();
  expect((await it.batch(id)).status).toBe('canceling');
  await it.end();
  await it.worker.ingest();
  expect(await it.batch(id)).toMatchObject({ status: 'ingested', canceled: 1 });
  expect(await it.job(jobId!)).toMatchObject({ status: 'pending', attempt: 0, expiries: 0 });
  await it.run();
  expect((await it.job(jobId!)).status).toBe('completed');
});

test('all kinds of ends in one batch are told apart', async () => {
  const it = await stage({
    emulator: {
      outcomes: [
        { match: { contains: '-broken-' }, outcome: { type: 'errored', errorType: 'invalid_request_error' } },
        { match: { contains: '-tired-' }, outcome: { type: 'errored', errorType: 'api_error' } },
        { match: { contains: '-shy-' }, outcome: { type: 'succeeded', stop_reason: 'refusal' } },
      ],
    },
    policy: { ingestRows: 2 },
  });
  const names = ['fine', 'broken', 'tired', 'shy', 'fine'];
  const jobs = await it.jobs(names.map((name) => ({ payload: `{"name":"-${name}-"}` })));
  expect(await it.run()).toMatchObject({ status: 'ingested', succeeded: 3, errored: 2 });
  const statuses = await Promise.all(jobs.map(async (id) => (await it.job(id)).status));
  expect(statuses).toEqual(['completed', 'failed', 'pending', 'failed', 'completed']);
});
