import { onTestFinished } from 'vitest';
import { anthropicProvider } from '../../src/adapters/anthropic.ts';
import { systemClock } from '../../src/adapters/clock.ts';
import { openDatabase } from '../../src/adapters/database.ts';
import {
  createCore,
  DomainError,
  Hub,
  type Actor,
  type Core,
  type EnqueueItem,
  type Policy,
} from '../../src/core/index.ts';
import type { Batch, Job } from '../../src/generated/prisma/client.ts';
import { promptPolicy, startOffpeak, type TestOffpeak, type TestOptions } from '../harness/offpeak.ts';

export const HOUR = 3_600_000;

/** What most tests of the rules need: the product, one caller, and the steps of a batch by name. */
export interface Stage extends TestOffpeak {
  caller: Actor;
  /** Enqueues so many jobs, or these, as the caller; returns their ids. */
  jobs: (what: number | readonly Partial<EnqueueItem>[]) => Promise<string[]>;
  /** Seals all due jobs of the caller into one batch. */
  seal: () => Promise<string>;
  /** Seals and submits; returns the batch. */
  submit: () => Promise<Batch>;
  /** Lets the provider finish everything, then looks at it; what has ended is not yet ingested. */
  end: () => Promise<void>;
  /** Everything from sealing to the end of the ingest. */
  run: () => Promise<Batch>;
  job: (id: string) => Promise<Job>;
  batch: (id: string) => Promise<Batch>;
}

/** Starts it on a database and an emulator of its own, for one test. */
export async function stage(options: TestOptions = {}): Promise<Stage> {
  const offpeak = await startOffpeak(options);
  onTestFinished(() => offpeak[Symbol.asyncDispose]());
  const { core, db, worker, emulator } = offpeak;
  const caller = await offpeak.actor();
  const batch = (id: string) => db.batch.findUniqueOrThrow({ where: { id } });
  const seal = async () => {
    const sealed = await core.sealBatch({ tenantId: caller.tenantId, reason: 'manual' });
    return sealed!.batchId;
  };
  const submit = async () => {
    const id = await seal();
    await core.submitBatch(id);
    return batch(id);
  };
  const end = async () => {
    await emulator.advance(2 * HOUR);
    await worker.poll();
  };
  return {
    ...offpeak,
    caller,
    jobs: (what) =>
      enqueued(core, caller, typeof what === 'number' ? Array.from({ length: what }, () => ({})) : what),
    seal,
    submit,
    end,
    run: async () => {
      const { id } = await submit();
      await end();
      await worker.ingest();
      return batch(id);
    },
    job: (id) => db.job.findUniqueOrThrow({ where: { id } }),
    batch,
  };
}

/** Enqueues jobs that are all expected to be accepted. */
export async function enqueued(
  core: Core,
  actor: Actor,
  items: readonly Partial<EnqueueItem>[],
): Promise<string[]> {
  const full = items.map((item) => ({ type: 'risk_report' as const, payload: '{}', ...item }));
  return (await core.enqueue(actor, full)).map((answer) => {
    if (answer instanceof DomainError) throw answer;
    return answer.jobId;
  });
}

/** The rules once more, as another process has them: on connections of its own, and as another owner of leases. */
export function otherProcess(offpeak: TestOffpeak, policy: Partial<Policy> = {}): Core {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const database = openDatabase(offpeak.connection, log, 4);
  onTestFinished(() => database.close());
  const full = { ...promptPolicy, ...policy };
  return createCore({
    db: database.db,
    hub: new Hub(),
    policy: full,
    log,
    clock: systemClock,
    provider: anthropicProvider({
      apiKey: 'test-key',
      baseURL: offpeak.emulator.url,
      submitTimeout: full.submitTimeout,
    }),
    owner: crypto.randomUUID(),
  });
}
