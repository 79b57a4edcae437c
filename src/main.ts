import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { extname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { anthropicProvider } from './adapters/anthropic.ts';
import { systemClock } from './adapters/clock.ts';
import { openDatabase, type Connection } from './adapters/database.ts';
import { defaultDataDir, startEmbeddedPostgres } from './adapters/embedded-postgres.ts';
import { attachEmulator } from './adapters/emulator-process.ts';
import { checkExternalDatabase } from './adapters/external-postgres.ts';
import { Feed } from './adapters/feed.ts';
import { migrate } from './adapters/migrations.ts';
import { ConfigError, type Config } from './config.ts';
import {
  createCore,
  hasKeys,
  Hub,
  newToken,
  storeEnvironmentKey,
  storeFirstKey,
  type Database,
  type Log,
} from './core/index.ts';
import { serve } from './http/server.ts';
import { createWorker } from './worker/index.ts';

/** What a process does: answer requests, work on the queue, or both. */
export interface Roles {
  http: boolean;
  worker: boolean;
}

/** A running Offpeak. */
export interface Program {
  /** Where it listens; undefined without the HTTP role. */
  url: string | undefined;
  simulated: boolean;
  /** Where its files are, and why not in the default place if so. */
  dataDir: string;
  dataDirReason: string | undefined;
  /** `embedded` or the host of the database. */
  database: string;
  /** The first operator key, on the start that made it. */
  newKey: { token: string; file: string } | undefined;
  /** Stops everything in the reverse order of the start. */
  close(): Promise<void>;
}

/** The composition root: config → database → provider → core → worker → faces. What has started stops if a later step fails. */
export async function start(config: Config, roles: Roles): Promise<Program> {
  await using running = new AsyncDisposableStack();
  const log = openLog(config);
  const { dataDir, reason } = await chooseDataDir(config);

  const { connection, name } = await connect(config, dataDir, log, running);
  await migrate(connection);
  const database = openDatabase(connection, log);
  running.defer(() => database.close());
  const newKey = await ensureKey(config, database.db, dataDir);

  const provider = await openProvider(config, dataDir, log, running);
  const hub = new Hub();
  const core = createCore({
    db: database.db,
    provider,
    clock: systemClock,
    log,
    policy: config.policy,
    hub,
    owner: randomUUID(),
  });
  running.defer(() => core.drain());
  if (roles.worker) {
    const worker = createWorker(core, log);
    running.defer(() => worker.stop());
    worker.start(config.workerPace);
  }
  const simulated = config.anthropic === undefined;
  let url: string | undefined;
  if (roles.http) {
    const feed = new Feed(database.db, hub, log, config.feedInterval);
    await feed.start();
    running.defer(() => feed.close());
    const ready = () =>
      database.db.$queryRaw`SELECT 1`.then(
        () => true,
        () => false,
      );
    const server = await serve({ core, simulated, ready, host: config.host, port: config.port });
    running.defer(() => server.close());
    ({ url } = server);
  }
  const started = running.move();
  return {
    url,
    simulated,
    dataDir,
    dataDirReason: reason,
    database: name,
    newKey,
    close: () => started.disposeAsync(),
  };
}

function openLog(config: Config): Log {
  return pino(
    { level: config.logLevel, base: undefined, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}

async function chooseDataDir(config: Config): Promise<{ dataDir: string; reason?: string | undefined }> {
  if (config.dataDir) return { dataDir: config.dataDir };
  return config.databaseUrl ? { dataDir: resolve('.offpeak') } : defaultDataDir(process.cwd());
}

/** Opens the way to the database: the user's own, or the one that we start. */
export async function connect(
  config: Config,
  dataDir: string,
  log: Log,
  running: AsyncDisposableStack,
): Promise<{ connection: Connection; name: string }> {
  if (config.databaseUrl) {
    await checkExternalDatabase(config.databaseUrl);
    return { connection: { connectionString: config.databaseUrl }, name: new URL(config.databaseUrl).host };
  }
  const postgres = await startEmbeddedPostgres({ dataDir, log: (line) => log.info({}, line) });
  running.defer(() => postgres.close());
  return {
    connection: postgres.connection,
    name: postgres.joined ? 'embedded PostgreSQL, joined' : 'embedded PostgreSQL, started',
  };
}

async function openProvider(config: Config, dataDir: string, log: Log, running: AsyncDisposableStack) {
  const { submitTimeout } = config.policy;
  if (config.anthropic) return anthropicProvider({ ...config.anthropic, submitTimeout });
  const emulator = await attachEmulator({
    main: fileURLToPath(new URL(`./emulator/main${extname(import.meta.filename)}`, import.meta.url)),
    dataDir: join(dataDir, 'emulator'),
    speed: config.emulatorSpeed,
    log,
  });
  running.defer(() => emulator.close());
  return anthropicProvider({ apiKey: 'simulated', baseURL: emulator.url, submitTimeout });
}

/**
 * Makes sure that somebody can get in. The first key of an embedded database is written to its file before it is
 * stored, so that a crash between both cannot lock everybody out.
 */
async function ensureKey(config: Config, db: Database, dataDir: string): Promise<Program['newKey']> {
  if (config.operatorKey) await storeEnvironmentKey(db, config.operatorKey);
  if (await hasKeys(db)) return undefined;
  if (config.databaseUrl) {
    throw new ConfigError(
      'The database has no key yet, so nobody could get in. Set OFFPEAK_OPERATOR_KEY, or run `npx offpeak keys create`.',
    );
  }
  const file = join(dataDir, 'operator-key');
  const token = (await readKeyFile(file)) ?? newToken();
  await writeFile(file, `${token}\n`, { mode: 0o600, flush: true });
  await storeFirstKey(db, token);
  return { token, file: relative(process.cwd(), file) };
}

async function readKeyFile(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
