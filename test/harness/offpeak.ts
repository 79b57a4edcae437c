import { anthropicProvider } from '../../src/adapters/anthropic.ts';
import { systemClock } from '../../src/adapters/clock.ts';
import { openDatabase, type Connection } from '../../src/adapters/database.ts';
import { Feed } from '../../src/adapters/feed.ts';
import {
  createCore,
  Hub,
  newToken,
  scopes,
  storeKey,
  type Actor,
  type Clock,
  type Core,
  type Database,
  type Log,
  type Policy,
  type Scope,
} from '../../src/core/index.ts';
import { startEmulator, type EmulatorOptions } from '../../src/emulator/index.ts';
import { createWorker, type Worker } from '../../src/worker/index.ts';
import { cloneDatabase } from './database.ts';

/** Everything due at once, so that a test decides when what happens. */
export const promptPolicy: Policy = {
  priorityBound: 24 * 3600_000,
  batchRequests: 10_000,
  batchBytes: 32_000_000,
  flushCount: undefined,
  flushAge: undefined,
  maxAttempts: 3,
  retryDelay: 0,
  pollInterval: 0,
  pollBackoff: 0,
  ingestRows: 500,
  lease: 15_000,
  submitTimeout: 10_000,
  absentAfter: 0,
  dedicatedWorkspace: false,
};

/** The whole product but its HTTP, on a database and an emulator of its own; its loops are ticked by the test. */
export interface TestOffpeak extends AsyncDisposable {
  core: Core;
  db: Database;
  connection: Connection;
  feed: Feed;
  worker: Worker;
  emulator: Awaited<ReturnType<typeof startEmulator>>;
  log: { level: string; fields: object; message: string }[];
  /** A caller of a tenant; every scope unless said otherwise. */
  actor(tenant?: string, scopes?: readonly Scope[]): Promise<Actor>;
  /** A bearer token of such a caller. */
  token(tenant?: string, scopes?: readonly Scope[]): Promise<string>;
}

export interface TestOptions {
  policy?: Partial<Policy>;
  clock?: Clock;
  emulator?: EmulatorOptions;
}

export async function startOffpeak(options: TestOptions = {}): Promise<TestOffpeak> {
  const { connection, drop } = await cloneDatabase();
  const emulator = await startEmulator({ seed: 1, ...options.emulator });
  const log: TestOffpeak['log'] = [];
  const logger = recorder(log);
  const database = openDatabase(connection, logger, 8);
  const { db } = database;
  const hub = new Hub();
  const policy = { ...promptPolicy, ...options.policy };
  const core = createCore({
    db,
    hub,
    policy,
    log: logger,
    clock: options.clock ?? systemClock,
    provider: anthropicProvider({
      apiKey: 'test-key',
      baseURL: emulator.url,
      submitTimeout: policy.submitTimeout,
    }),
    owner: crypto.randomUUID(),
  });
  // Ticked by hand: an interval this long never comes up in a test.
  const feed = new Feed(db, hub, logger, 2 ** 30);
  await feed.start();
  const worker = createWorker(core, logger);
  const token = async (tenant = 'default', granted: readonly Scope[] = scopes): Promise<string> => {
    const made = newToken();
    await storeKey(db, made, { name: 'test', tenant, scopes: granted });
    return made;
  };
  return {
    core,
    db,
    connection,
    feed,
    worker,
    emulator,
    log,
    token,
    actor: async (tenant, granted) => (await core.authenticate(await token(tenant, granted)))!,
    async [Symbol.asyncDispose]() {
      hub.close();
      await worker.stop();
      await feed.close();
      await database.close();
      await emulator.close();
      await drop();
    },
  };
}

function recorder(lines: TestOffpeak['log']): Log {
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields, message });
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
