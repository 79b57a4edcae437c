import { expect, test } from 'vitest';
import type { Policy } from '../../src/core/index.ts';
import type { Fault, FaultAction } from '../../src/emulator/index.ts';
import { HOUR, otherProcess, stage, type Stage } from './setup.ts';

const lost: Fault = { route: 'create', action: { kind: 'reset-after' } };
const neverSent: Fault = { route: 'create', action: { kind: 'reset-before' } };
const unsettled = (fault: Fault, policy: Partial<Policy> = {}) =>
  stage({ emulator: { faults: [fault] }, policy: { absentAfter: 0, ...policy } });

/** A batch that somebody else makes in the same workspace. */
async function stranger({ emulator }: Stage, requests: number): Promise<string> {
  const params = { model: 'claude-sonnet-5', max_tokens: 10, messages: [{ role: 'user', content: 'Hello' }] };
  const response = await fetch(`${emulator.url}/v1/messages/batches`, {
    method: 'POST',
    headers: { 'x-api-key': 'test-key', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({
      requests: Array.from({ length: requests }, (_, n) => ({ custom_id: `theirs-${n}`, params })),
    }),
  });
  return ((await response.json()) as { id: string }).id;
}

const accepted = ({ emulator }: Stage) => emulator.accepted();
const status = async (it: Stage, id: string) => (await it.batch(id)).status;

test('a batch whose answer was lost is adopted when its results prove it ours', async () => {
  const it = await unsettled(lost);
  const [job] = await it.jobs(2);
  const { id } = await it.submit();
  await it.worker.submit();
  expect(await status(it, id), 'before its results can be read').toBe('unknown');
  await it.emulator.advance(2 * HOUR);
  await it.worker.submit();
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', providerBatchId: accepted(it)[0]!.id });
  await it.worker.poll();
  await it.worker.ingest();
  expect((await it.job(job!)).status).toBe('completed');
  expect(accepted(it)).toHaveLength(1);
});

test('in a workspace of our own it is adopted at once', async () => {
  const it = await unsettled(lost, { dedicatedWorkspace: true });
  await it.jobs(2);
  const { id } = await it.submit();
  await it.worker.submit();
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', providerBatchId: accepted(it)[0]!.id });
});

test('even in a workspace of our own, results that are not ours prove the contrary', async () => {
  const it = await unsettled(neverSent, { dedicatedWorkspace: true, absentAfter: HOUR });
  await it.jobs(2);
  const { id } = await it.submit();
  await stranger(it, 2);
  await it.emulator.advance(2 * HOUR);
  await it.worker.submit();
  expect(await status(it, id)).toBe('unknown');
});

test('a batch that the provider never got is given up after the grace, and its jobs go out once more', async () => {
  const it = await unsettled(neverSent, { absentAfter: HOUR });
  const jobs = await it.jobs(2);
  const { id } = await it.submit();
  await it.worker.submit();
  expect(await status(it, id), 'within the grace').toBe('unknown');
  await it.db.$executeRaw`UPDATE batch SET intent_at = intent_at - interval '61 minutes'`;
  await Promise.all([it.core, otherProcess(it, { absentAfter: HOUR })].map((core) => core.settleUnknown()));
  expect(await it.batch(id)).toMatchObject({ status: 'rejected', errorCode: 'NOT_RECEIVED' });
  expect(await it.job(jobs[0]!)).toMatchObject({ status: 'pending', version: 3, attempt: 0 });
  await it.run();
  for (const job of jobs) expect(await it.job(job)).toMatchObject({ status: 'completed', submission: 2 });
  const sent = accepted(it).flatMap((batch) => batch.custom_ids);
  expect(sent).toHaveLength(2);
  expect(sent.every((name) => name.endsWith('_2'))).toBe(true);
});

test('a stranger’s batch of the same size is neither adopted nor cancelled, and holds up nothing once it has ended', async () => {
  const it = await unsettled(neverSent);
  const [job] = await it.jobs(2);
  const { id } = await it.submit();
  const theirs = await stranger(it, 2);
  await it.worker.submit();
  expect(await status(it, id), 'while nobody can read whose it is').toBe('unknown');
  await it.emulator.advance(2 * HOUR);
  await it.worker.submit();
  expect(await it.batch(id)).toMatchObject({ status: 'rejected', errorCode: 'NOT_RECEIVED' });
  expect((await it.job(job!)).status).toBe('pending');
  expect(accepted(it)).toMatchObject([{ id: theirs, cancel_initiated_at: null }]);
});

test('ours is told from a stranger’s of the same size', async () => {
  const it = await stage({ policy: { absentAfter: 0 } });
  await it.jobs(2);
  await stranger(it, 2);
  it.emulator.addFaults([lost]);
  const { id } = await it.submit();
  await stranger(it, 2);
  const ours = accepted(it).find((batch) => batch.custom_ids[0]!.startsWith('job_'))!;
  await it.emulator.advance(2 * HOUR);
  await it.worker.submit();
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', providerBatchId: ours.id });
});

test('batches of other sizes hold up nothing, however many', async () => {
  const it = await unsettled(neverSent);
  await it.jobs(2);
  const { id } = await it.submit();
  for (let n = 0; n < 105; n += 1) await stranger(it, 1 + 2 * (n % 2));
  await it.worker.submit();
  expect(await status(it, id)).toBe('rejected');
});

test('ours is found behind more than a page of newer batches', async () => {
  const it = await unsettled(lost, { dedicatedWorkspace: true });
  await it.jobs(2);
  const { id } = await it.submit();
  for (let n = 0; n < 105; n += 1) await stranger(it, 1);
  await it.worker.submit();
  expect(await status(it, id)).toBe('in_progress');
});

test('a submitter that died leaves a batch that others settle', async () => {
  const it = await unsettled({ route: 'create', action: { kind: 'delay', ms: 60_000 } });
  await it.jobs(1);
  const id = await it.seal();
  const submitted = it.core.submitBatch(id);
  while (accepted(it).length === 0) await new Promise((resolve) => setImmediate(resolve));
  const other = otherProcess(it, { dedicatedWorkspace: true });
  await other.settleUnknown();
  expect(await status(it, id), 'while its lease runs').toBe('submitting');
  await it.db.$executeRaw`UPDATE batch SET lease_until = now() - interval '1 second'`;
  await other.settleUnknown();
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', providerBatchId: accepted(it)[0]!.id });
  await it.emulator.close();
  expect(await submitted).toMatchObject({ outcome: 'unknown' });
  expect(await status(it, id)).toBe('in_progress');
});

const unreadable: [string, FaultAction][] = [
  ['cannot be read', { kind: 'status', status: 404 }],
  ['break off in the first line', { kind: 'reset-mid-line', afterLines: 0 }],
  ['end in the first line', { kind: 'status', status: 200, body: '{"custom_id":"thei' }],
  ['end before the first line', { kind: 'clean-early-end', afterLines: 0 }],
];
test.each(unreadable)('results that %s prove nothing and hold up no other batch', async (_name, action) => {
  const it = await unsettled(lost);
  await it.jobs(1);
  const first = await it.submit();
  await it.jobs(2);
  it.emulator.addFaults([lost]);
  const second = await it.submit();
  await it.emulator.advance(2 * HOUR);
  it.emulator.addFaults([{ route: 'results', action }]);
  await it.core.settleUnknown();
  expect([await status(it, first.id), await status(it, second.id)].toSorted()).toEqual([
    'in_progress',
    'unknown',
  ]);
  await it.core.settleUnknown();
  expect(await status(it, first.id)).toBe('in_progress');
  expect(await status(it, second.id)).toBe('in_progress');
});

test('while the list cannot be read, nothing is given up and other batches go out', async () => {
  const it = await unsettled(neverSent);
  await it.jobs(1);
  const { id } = await it.submit();
  await it.jobs(2);
  const next = await it.seal();
  it.emulator.addFaults([{ route: 'list', times: 3, action: { kind: 'status', status: 529 } }]);
  await it.worker.submit();
  expect(await status(it, id)).toBe('unknown');
  expect(await status(it, next)).toBe('in_progress');
});

test('batches of another account are left alone', async () => {
  const it = await unsettled(lost);
  await it.jobs(1);
  const { id } = await it.submit();
  await it.db.$executeRaw`UPDATE batch SET provider_identity = 'simulated:another'`;
  await it.emulator.advance(2 * HOUR);
  await it.worker.submit();
  expect(await status(it, id)).toBe('unknown');
});
