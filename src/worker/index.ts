import { publicId, type Core, type Log } from '../core/index.ts';
import { Loop } from './loop.ts';

/** The loops that tick core's verbs. Each can be ticked by hand; `start` lets them run by themselves. */
export interface Worker {
  /** Seals batches when the policy says so. */
  flush(): Promise<void>;
  /** Submits sealed batches, then settles those of unknown outcome. */
  submit(): Promise<void>;
  /** Looks at the batches whose time has come. */
  poll(): Promise<void>;
  /** Books the results of ended batches. */
  ingest(): Promise<void>;
  /** Folds the kept counts. */
  fold(): Promise<void>;
  /** `pace`: the milliseconds between two turns of the pipeline's loops. */
  start(pace: number): void;
  /** Lets the turns under way finish and starts no other. */
  stop(): Promise<void>;
}

const FOLD_PAUSE = 10_000;
const POLLS_AT_ONCE = 8;

export function createWorker(core: Core, log: Log): Worker {
  /** One step of a turn. Its failure is reported and ends here: one broken batch must not hold up all others. */
  const step = async (on: string, run: () => Promise<unknown>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      log.error({ on, err: error }, 'a step failed; the others go on');
    }
  };
  const flush = async (): Promise<void> => {
    for (const due of await core.dueTenants())
      await step(publicId('tenant', due.tenantId), () => core.sealBatch(due));
  };
  const submit = async (): Promise<void> => {
    await step('unknown batches', core.settleUnknown);
    for (const batchId of await core.sealedBatches())
      await step(publicId('batch', batchId), () => core.submitBatch(batchId));
  };
  const poll = async (): Promise<void> => {
    const due = await core.takeDueBatches(POLLS_AT_ONCE);
    await Promise.all(due.map((batch) => step(publicId('batch', batch.id), () => core.pollBatch(batch))));
  };
  const ingest = async (): Promise<void> => {
    for (const batchId of await core.endedBatches())
      await step(publicId('batch', batchId), () => core.ingestBatch(batchId));
  };
  const fold = (): Promise<void> => core.foldCounts();
  const ticks = { flush, submit, poll, ingest, fold };
  let loops: Loop[] = [];
  return {
    ...ticks,
    start(pace) {
      loops = Object.entries(ticks).map(
        ([name, tick]) => new Loop(name, tick, name === 'fold' ? FOLD_PAUSE : pace, log),
      );
      for (const loop of loops) loop.start();
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
