import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  IdempotencyConflictError,
  TooLargeError,
  ValidationError,
  type Actor,
  type EnqueueItem,
} from '../../src/core/index.ts';
import { startOffpeak, type TestOffpeak } from '../harness/offpeak.ts';
import { otherProcess, stage } from './setup.ts';

let offpeak: TestOffpeak;
let actor: Actor;

beforeAll(async () => {
  offpeak = await startOffpeak({ policy: { batchBytes: 100_000 } });
  actor = await offpeak.actor();
});
afterAll(() => offpeak[Symbol.asyncDispose]());

const item = (part: Partial<EnqueueItem> = {}): EnqueueItem => ({
  type: 'risk_report',
  payload: '{}',
  ...part,
});
const one = async (part: Partial<EnqueueItem>) => (await offpeak.core.enqueue(actor, [item(part)]))[0]!;
const id = (answer: unknown) => (answer as { jobId: string }).jobId;

describe('a field that breaks a rule is named', () => {
  const bad: [field: string, part: Partial<EnqueueItem>, message: RegExp][] = [
    ['priority', { priority: 101 }, /whole number from 0 to 100/],
    ['priority', { priority: -1 }, /whole number from 0 to 100/],
    ['priority', { priority: 1.5 }, /whole number from 0 to 100/],
    ['priority', { priority: NaN }, /whole number from 0 to 100/],
    ['runAfter', { runAfter: new Date(NaN) }, /years 1 to 9999/],
    ['runAfter', { runAfter: new Date(Date.UTC(10_000, 0)) }, /years 1 to 9999/],
    ['customId', { customId: '' }, /1 to 255 characters; this one has 0/],
    ['customId', { customId: 'x'.repeat(256) }, /this one has 256/],
    ['customId', { customId: 'a\0b' }, /U\+0000/],
    ['customId', { customId: 'a\ud800' }, /surrogate/],
    ['payload', { payload: '' }, /must be JSON/],
    ['payload', { payload: '{"a":}' }, /must be JSON/],
    ['payload', { payload: '{"a":"\ud800"}' }, /surrogate/],
    ['payload', { payload: '[]' }, /JSON object/],
    ['payload', { payload: 'null' }, /JSON object/],
    ['payload', { payload: '"text"' }, /JSON object/],
    ['payload', { payload: '1.0' }, /JSON object/],
    ['payload', { payload: '{"a":1e400}' }, /1e400 is out of range/],
    ['payload', { payload: `{"a":${'['.repeat(4000)}${']'.repeat(4000)}}` }, /nested too deep/],
    ['payload', { payload: `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}` }, /nested too deep/],
  ];
  test.each(bad)('%s %#', async (field, part, message) => {
    const answer = await one(part);
    expect(answer).toBeInstanceOf(ValidationError);
    expect(answer).toMatchObject({ code: 'VALIDATION', field, message: expect.stringMatching(message) });
  });
});

test('the widest values are taken', async () => {
  const answers = await offpeak.core.enqueue(actor, [
    item({ priority: 0 }),
    item({ priority: 100 }),
    item({ customId: '😀'.repeat(255) }),
    item({ runAfter: new Date(0) }),
    item({ runAfter: new Date(Date.UTC(9999, 11, 31, 23, 59, 59, 999)) }),
    item({ payload: `{"a":${'['.repeat(200)}${']'.repeat(200)}}` }),
  ]);
  for (const answer of answers) expect(answer).toEqual({ jobId: expect.any(String), replayed: false });
});

test('one bad item fails none of its neighbours', async () => {
  const [first, bad, last] = await offpeak.core.enqueue(actor, [
    item(),
    item({ priority: 1000 }),
    item({ payload: '{"last":true}' }),
  ]);
  expect(bad).toBeInstanceOf(ValidationError);
  expect(await offpeak.db.job.count({ where: { id: { in: [id(first), id(last)] } } })).toBe(2);
});

test('a request that no batch could hold is refused at once, and the largest that fits is flushed', async () => {
  const { core, jobs, submit } = await stage({
    policy: { batchBytes: 20_000 },
    emulator: { maxBodyBytes: 20_000 },
  });
  const caller = await offpeak.actor();
  const payload = (length: number) => `{"a":"${'x'.repeat(length)}"}`;
  const [huge] = await core.enqueue(caller, [item({ payload: payload(20_000) })]);
  expect(huge).toBeInstanceOf(TooLargeError);
  const [, bytes] = /have (\d+) bytes/.exec((huge as Error).message)!;
  const envelope = '{"requests":[]}'.length;
  const most = 20_000 - (Number(bytes) - (20_000 - envelope));
  const [over] = await core.enqueue(caller, [item({ payload: payload(most + 1) })]);
  expect(over).toBeInstanceOf(TooLargeError);
  const [fits] = await jobs([{ payload: payload(most) }]);
  expect(fits).toBeDefined();
  expect(await submit()).toMatchObject({ status: 'in_progress', requestCount: 1 });
});

describe('a custom id', () => {
  test('gives the first job again for the same content, whatever the order of its keys', async () => {
    const first = await one({ customId: 'same', payload: '{"a":1,"b":{"c":[1,2],"d":"é"}}' });
    const again = await one({ customId: 'same', payload: ' { "b" : {"d":"\\u00e9","c":[1,2]}, "a":1 }' });
    expect(again).toEqual({ jobId: id(first), replayed: true });
  });

  test('is a conflict for any other content', async () => {
    const first = await one({ customId: 'other', payload: '{"a":1}' });
    for (const part of [
      { payload: '{"a":1.0}' },
      { payload: '{"a":"1"}' },
      { payload: '{"a":[1]}' },
      { payload: '{}' },
      { payload: '{"a":1}', type: 'portfolio_summary' as const },
    ]) {
      const answer = await one({ customId: 'other', ...part });
      expect(answer).toBeInstanceOf(IdempotencyConflictError);
      expect(answer).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', existingJobId: id(first) });
    }
  });

  test('twice in one call makes one job', async () => {
    const [first, second, third] = await offpeak.core.enqueue(actor, [
      item({ customId: 'twice' }),
      item({ customId: 'twice' }),
      item({ customId: 'twice', payload: '{"b":1}' }),
    ]);
    expect(first).toMatchObject({ replayed: false });
    expect(second).toEqual({ jobId: id(first), replayed: true });
    expect(third).toBeInstanceOf(IdempotencyConflictError);
  });

  test('belongs to its tenant', async () => {
    const mine = await one({ customId: 'mine' });
    const [theirs] = await offpeak.core.enqueue(await offpeak.actor('another'), [item({ customId: 'mine' })]);
    expect(theirs).toMatchObject({ replayed: false });
    expect(id(theirs)).not.toBe(id(mine));
  });

  test('enqueued by four processes at once makes one job, in whatever order each names it', async () => {
    const stageOne = await stage();
    const names = Array.from({ length: 40 }, (_, n) => `key-${n}`);
    const processes = Array.from({ length: 4 }, () => otherProcess(stageOne));
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(
        processes.map((core, n) => {
          const items = names.map((name) => item({ customId: `${round} ${name}` }));
          return core.enqueue(stageOne.caller, n % 2 ? items.toReversed() : items);
        }),
      );
      const made = answers.flat();
      expect(made.filter((answer) => 'replayed' in answer && !answer.replayed)).toHaveLength(40);
      expect(new Set(made.map(id)).size).toBe(40);
    }
  });
});

test('a payload is kept and sent as it came', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'offpeak-enqueue-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const { jobs, db, submit } = await stage({ emulator: { dataDir } });
  const payload =
    ' {"big":12345678901234567890, "one":1.0,"exp":1E3 ,"nul":"\\u0000","half":"\\ud800","text":"ü\u2028😀","dup":1,"dup":2}\n';
  const [job] = await jobs([{ payload }]);
  expect((await db.jobPayload.findUniqueOrThrow({ where: { jobId: job! } })).payload).toBe(payload);
  const { providerBatchId } = await submit();
  const [line] = (await readFile(join(dataDir, `batches/${providerBatchId}.jsonl`), 'utf8')).split('\n');
  const { params } = JSON.parse(line!) as { params: { messages: { content: string }[] } };
  expect(params.messages[0]!.content).toContain(`<payload>\n${payload}\n</payload>`);
});

test('a new job is pending at version 1, with its event beside it', async () => {
  const jobId = id(await one({ priority: 80 }));
  const job = await offpeak.db.job.findUniqueOrThrow({ where: { id: jobId } });
  expect(job).toMatchObject({ status: 'pending', claimable: true, version: 1, priority: 80, attempt: 0 });
  expect(job.rank.getTime()).toBe(job.createdAt.getTime() - 0.8 * 24 * 3_600_000);
  expect(job.dueAt).toEqual(job.createdAt);
  expect(await offpeak.db.jobEvent.findMany({ where: { jobId } })).toMatchObject([
    { version: 1, status: 'pending', move: 'enqueued' },
  ]);
});

test('whoever may only read cannot enqueue', async () => {
  const reader = await offpeak.actor('default', ['jobs:read']);
  await expect(offpeak.core.enqueue(reader, [item()])).rejects.toMatchObject({ code: 'FORBIDDEN' });
});
