import { setTimeout as pause } from 'node:timers/promises';
import { start, type Program } from '../../main.ts';
import { checkCompleted, checkResults, checkSeen, checkStats, compareStats } from './checks.ts';
import type { Check, Comparison } from './checks.ts';
import type { JobResult } from './answers.ts';
import { Client } from './client.ts';
import { PREFIX, readExamples } from './examples.ts';
import { DemoFailure } from './failure.ts';
import { hasEnded, moveBatch, moveJob, settled, type JobLine, type Model } from './model.ts';
import { operatorKey } from './server.ts';
import { orAbort, step, type Stage } from './stage.ts';
import { watchJobs, type JobUpdate } from './watch.ts';

/** How long the jobs stand pending before the flush, so that they can be seen to wait. */
const MOMENT = 1500;
/** How often the batches are looked at, and how long their last state is waited for, in milliseconds. */
const LOOK = 500;
const LAST_LOOKS = 6;
/** Other processes may work on the same database, so that figures read one after the other differ for a moment. */
const STATS_READS = 5;

/** What came out, for the report. */
export interface Outcome {
  dataDir: string;
  results: JobResult[];
  comparisons: Comparison[];
  checks: Check[];
}

/** Starts Offpeak, sends the examples through it as a client would, and reads back what became of them. */
export async function runDemo(stage: Stage): Promise<Outcome> {
  const program = await startOffpeak(stage);
  const token = await operatorKey(stage.config, program);
  const client = new Client(program.url!, token);
  if (stage.model.simulated) await refuseStrangers(client);
  await enqueueExamples(stage, client);
  const processing = await watchToTheEnd(stage, client, program.url!, token);
  const ids = stage.model.jobs.map(({ id }) => id);
  const results = await client.results(ids);
  const comparisons = await readStats(client, stage.signal);
  return {
    dataDir: program.dataDir,
    results,
    comparisons,
    checks: [
      checkCompleted(stage.model.jobs, results),
      checkSeen(stage.model.jobs, processing),
      checkResults(await readPairs(stage.model.jobs, results, client)),
      checkStats(comparisons),
    ],
  };
}

async function startOffpeak(stage: Stage): Promise<Program> {
  return step(stage, 'Start', 'the database, the worker, the server', async (done) => {
    const program = await start(stage.config, { http: true, worker: true });
    stage.running.defer(() => program.close());
    stage.signal.throwIfAborted();
    done(`${program.database}; ${program.url}`);
    return program;
  });
}

/** The flush takes the tenant's jobs of the highest priority; one of somebody else must not get a made-up answer. */
async function refuseStrangers(client: Client): Promise<void> {
  const strangers = (await client.urgentJobs()).filter((customId) => !customId?.startsWith(PREFIX));
  if (strangers.length === 0) return;
  throw new DemoFailure(
    `Jobs of priority 100 that are not of the demo wait in this database (${strangers.length} of them), and the demo would send them to the emulator with its own. Flush or cancel them first, or use another database, such as a fresh OFFPEAK_DATA_DIR.`,
  );
}

async function enqueueExamples(stage: Stage, client: Client): Promise<void> {
  const run = `${Date.now().toString(36)}${Math.floor(Math.random() * 36 ** 3).toString(36)}`;
  const examples = await readExamples(run);
  await step(stage, 'Enqueue', 'the example payloads', async (done) => {
    for (const example of examples) {
      stage.signal.throwIfAborted();
      const id = await client.enqueue(example);
      const { type, face } = example;
      const job: JobLine = { id, type, face, status: 'PENDING', enqueuedAt: Date.now() };
      stage.model.jobs.push(job);
      stage.show({ job });
    }
    const through = (name: string) => examples.filter(({ face }) => face === name).length;
    done(`${through('GraphQL')} jobs through GraphQL, ${through('REST')} through REST`);
  });
}

/** Subscribes, flushes, and follows until every job has ended; returns the jobs seen in processing. */
async function watchToTheEnd(
  stage: Stage,
  client: Client,
  url: string,
  token: string,
): Promise<ReadonlySet<string>> {
  const { model, show, signal } = stage;
  const processing = new Set<string>();
  const ended = Promise.withResolvers<void>();
  const take = (state: Parameters<typeof moveBatch>[1]): void => {
    const batch = moveBatch(model, state, Date.now());
    if (batch) show({ batch });
  };
  const onUpdate = (id: string, { status, job: told }: JobUpdate): void => {
    const job = model.jobs.find((one) => one.id === id)!;
    if (status === 'PROCESSING') processing.add(id);
    if (told?.batch) take(told.batch);
    if (moveJob(job, status, Date.now())) show({ job });
    if (model.jobs.every(hasEnded)) ended.resolve();
  };
  const ids = model.jobs.map(({ id }) => id);
  const watch = await step(stage, 'Subscribe', 'to every job', async (done) => {
    const opened = watchJobs(url, token, ids, onUpdate);
    stage.running.defer(() => opened.close());
    await orAbort(opened.ready, signal);
    done(`to ${ids.length} jobs over one WebSocket, graphql-transport-ws`);
    return opened;
  });
  await step(stage, 'Flush', 'in a moment; until then the jobs are pending', async (done) => {
    await pause(MOMENT, undefined, { signal });
    const batches = await client.flush();
    batches.forEach(take);
    done(
      model.simulated ? 'to the emulator of the Message Batches API' : 'to Anthropic’s Message Batches API',
    );
  });
  const look = async () => (await client.batches(model.batches.map(({ id }) => id))).forEach(take);
  await step(stage, 'Wait', 'until the batch has ended and its results are booked', async (done) => {
    let waiting = true;
    const end = Promise.race([ended.promise, watch.lost]).finally(() => (waiting = false));
    end.catch(() => {}); // it is awaited below, unless looking at the batches fails first
    while (waiting) {
      await orAbort(Promise.race([end, pause(LOOK)]), signal);
      await look();
    }
    await end;
    done('every job has ended');
  });
  for (let looks = 0; looks < LAST_LOOKS && !allSettled(model); looks += 1) {
    await pause(LOOK, undefined, { signal });
    await look();
  }
  return processing;
}

const allSettled = ({ batches }: Model): boolean => batches.every(({ status }) => settled.includes(status));

async function readStats(client: Client, signal: AbortSignal): Promise<Comparison[]> {
  for (let reads = 1; ; reads += 1) {
    const { graphql, rest } = await client.stats();
    const comparisons = compareStats(graphql, rest);
    if (reads === STATS_READS || comparisons.every(({ equal }) => equal)) return comparisons;
    await pause(LOOK, undefined, { signal });
  }
}

/** The results of the completed jobs that came through REST, as both faces hand them out. */
async function readPairs(jobs: readonly JobLine[], results: readonly JobResult[], client: Client) {
  const chosen = results.filter(
    ({ status }, index) => status === 'COMPLETED' && jobs[index]!.face === 'REST',
  );
  return Promise.all(
    chosen.map(async ({ id, resultJson }) => ({ graphql: resultJson, rest: await client.resultByRest(id) })),
  );
}
