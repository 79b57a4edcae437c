import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type Client } from 'graphql-ws';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { processesOf, Started, until } from './program.ts';

const JOBS = 60;

let dataDir: string;
let program: Started;
let key: string;
let env: NodeJS.ProcessEnv;
let follower: Follower;

beforeEach(async () => {
  follower = new Follower();
  dataDir = await mkdtemp(join(tmpdir(), 'offpeak-crash-'));
  await chmod(dataDir, 0o711);
  env = {
    ...process.env,
    PORT: '0',
    DATABASE_URL: '',
    ANTHROPIC_API_KEY: '',
    OFFPEAK_DATA_DIR: dataDir,
    OFFPEAK_FLUSH_COUNT: 'off',
    OFFPEAK_FLUSH_AGE: 'off',
    OFFPEAK_INGEST_ROWS: '5',
    OFFPEAK_LEASE: '1s',
  };
});
afterEach(async () => {
  follower.close();
  await program.interrupt();
  await until('no process is left over', async () => (await processesOf(dataDir)).length === 0);
  await rm(dataDir, { recursive: true, force: true });
});

async function ask<T>(query: string, variables: object = {}): Promise<T> {
  const response = await fetch(`${program.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: unknown };
  expect(errors).toBeUndefined();
  return data;
}

async function enqueue(name: string): Promise<string> {
  const { enqueueJob } = await ask<{ enqueueJob: { job: { id: string } } }>(
    `mutation ($input: EnqueueJobInput!) { enqueueJob(input: $input) { ... on EnqueueJobSuccess { job { id } } } }`,
    { input: { type: 'RISK_REPORT', payload: { name }, customId: name } },
  );
  return enqueueJob.job.id;
}

interface Stats {
  pendingJobs: number;
  processingJobs: number;
  completedJobs: number;
}
const readStats = async () =>
  (await ask<{ stats: Stats }>('{ stats { pendingJobs processingJobs completedJobs } }')).stats;

interface Update {
  cursor: string;
  gap: boolean;
  kind: string;
  version: number;
  status: string;
}

/** Follows jobs to their end through every restart: what breaks off is subscribed again from the last cursor. */
class Follower {
  readonly seen = new Map<string, Update[]>();
  #client: Client | undefined;
  #connected = false;

  connect(): void {
    this.#client = createClient({
      url: `${program.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${key}` },
      retryAttempts: 0,
      on: { connected: () => (this.#connected = true), closed: () => (this.#connected = false) },
    });
  }

  async follow(id: string): Promise<void> {
    const updates: Update[] = [];
    this.seen.set(id, updates);
    const ended = () => updates.at(-1)?.status === 'COMPLETED';
    while (!ended()) {
      const stream = this.#client!.iterate<{ jobUpdated: Update }>({
        query:
          'subscription ($id: ID!, $after: String) { jobUpdated(id: $id, after: $after) { cursor gap kind version status } }',
        variables: { id, after: updates.at(-1)?.cursor },
      });
      try {
        for await (const { data } of stream) {
          updates.push(data!.jobUpdated);
          if (ended()) return;
        }
      } catch {
        // The connection broke with the program; `connect` gives the next one.
      }
      const broken = this.#client;
      await until('the program is back', () => Promise.resolve(this.#client !== broken || this.#connected));
    }
  }

  close(): void {
    void this.#client?.dispose();
  }
}

test(
  'killed while jobs are pending, in progress and being booked, the program loses none and submits none twice',
  { timeout: 170_000 },
  async () => {
    program = await Started.run(env);
    key = (await readFile(join(dataDir, 'operator-key'), 'utf8')).trim();
    const restart = async () => {
      await program.kill();
      program = await Started.run(env);
      follower.connect();
    };

    const ids = await Promise.all(Array.from({ length: JOBS }, (_, n) => enqueue(`job-${n}`)));
    follower.connect();
    const followed = Promise.all(ids.map((id) => follower.follow(id)));
    await until('every job is being followed', () =>
      Promise.resolve([...follower.seen.values()].filter((updates) => updates.length > 0).length === JOBS),
    );
    expect(await readStats()).toEqual({ pendingJobs: JOBS, processingJobs: 0, completedJobs: 0 });
    await restart();

    expect((await readStats()).pendingJobs).toBe(JOBS);
    const { flushJobs } = await ask<{ flushJobs: { batches: { status: string }[] } }>(
      'mutation { flushJobs(input: { waitSeconds: 10 }) { ... on FlushJobsSuccess { batches { status } } } }',
    );
    expect(flushJobs.batches).toEqual([{ status: 'IN_PROGRESS' }]);
    await restart();

    const { url: emulator } = JSON.parse(await readFile(join(dataDir, 'emulator/address.json'), 'utf8')) as {
      url: string;
    };
    await fetch(`${emulator}/emulator/settings`, {
      method: 'POST',
      body: JSON.stringify({ resultsDelayMs: 100 }),
    });
    await until('some results are booked', async () => (await readStats()).completedJobs > 0);
    const between = await readStats();
    expect(
      between.processingJobs,
      'jobs whose results were not booked when the program was killed',
    ).toBeGreaterThan(0);
    await restart();

    await until('every job is completed', async () => (await readStats()).completedJobs === JOBS);
    await followed;
    follower.close();
    for (const updates of follower.seen.values()) {
      expect(updates.at(-1)?.status).toBe('COMPLETED');
      expect(updates.filter(({ gap }) => gap)).toEqual([]);
      const versions = updates.map(({ version }) => version);
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    }

    const accepted = (await (await fetch(`${emulator}/emulator/accepted`)).json()) as {
      data: { custom_ids: string[] }[];
    };
    const requests = accepted.data.flatMap((batch) => batch.custom_ids);
    expect(requests).toHaveLength(JOBS);
    expect(new Set(requests.map((name) => name.replace(/_\d+$/, ''))).size).toBe(JOBS);

    expect(await program.interrupt(), 'milliseconds from Ctrl-C to the end').toBeLessThan(5000);
    await until('no process is left over', async () => (await processesOf(dataDir)).length === 0);
  },
);
