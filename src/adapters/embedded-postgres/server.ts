import { spawn } from 'node:child_process';
import { type FileHandle, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnIdentity } from './account.ts';
import { type Binaries, serverEnvironment } from './binaries.ts';
import type { DataDirectory } from './data-directory.ts';
import { EmbeddedPostgresError, errorCode, fromFileSystem } from './error.ts';
import { isRunning, isServerOf } from './process-id.ts';
import { PORT } from './socket.ts';

/** What postmaster.pid says, and whether the process it names is really the server of this cluster. */
export interface PidFile {
  readonly pid: number;
  readonly socketDirectory?: string;
  readonly live: boolean;
}

export async function readPidFile(cluster: string): Promise<PidFile | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const [first = '', , , , socketDirectory = ''] = text.split('\n');
  const pid = Math.abs(Number.parseInt(first, 10));
  if (Number.isNaN(pid) || pid === 0) return undefined;
  return { pid, socketDirectory: socketDirectory || undefined, live: await isServerOf(pid, cluster) };
}

/** A server we started, as long as it is not known to be ready. */
export interface Starting {
  readonly pid: number;
  ended: boolean;
  /** What it wrote since it was started. */
  readLog(): Promise<string>;
}

export interface ServerChoices {
  readonly directory: DataDirectory;
  readonly binaries: Binaries;
  readonly socketDirectory: string;
  readonly durable: boolean;
}

/**
 * Starts postgres in a session of its own, so that neither Ctrl-C in our terminal nor our end reaches it.
 *
 * A stale postmaster.pid is PostgreSQL's to remove: it does so when the process named there is gone, and it alone can
 * do so without racing another starter. The one case it cannot judge is a process id that was given to another
 * program of the same user; `staleId` names it the way pg_ctl names its own parent, as an id to be disregarded.
 */
export async function startServer(choices: ServerChoices, staleId: number | undefined): Promise<Starting> {
  const { directory, binaries } = choices;
  const log = await openLog(directory.logFile).catch((error: unknown) => {
    throw fromFileSystem(directory.logFile, error);
  });
  try {
    const { size } = await log.stat();
    const child = spawn(binaries.postgres, serverArguments(choices), {
      ...spawnIdentity(directory.account),
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...serverEnvironment, PG_GRANDPARENT_PID: staleId === undefined ? undefined : String(staleId) },
    });
    const starting: Starting = {
      pid: child.pid ?? 0,
      ended: false,
      readLog: async () => (await readFile(directory.logFile)).subarray(size).toString('utf8').trim(),
    };
    child.once('exit', () => (starting.ended = true));
    child.once('error', () => (starting.ended = true));
    child.unref();
    return starting;
  } finally {
    await log.close();
  }
}

function serverArguments({ directory, socketDirectory, durable }: ServerChoices): string[] {
  const settings = ['listen_addresses=', 'unix_socket_permissions=0700', 'max_connections=100'];
  if (!durable) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
  const named = settings.flatMap((setting) => ['-c', setting]);
  return ['-D', directory.cluster, '-k', socketDirectory, '-p', String(PORT), ...named];
}

/** A few lines per start and checkpoint; the file before the last 10 MB is kept once. */
async function openLog(path: string): Promise<FileHandle> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > 10_000_000) await rename(path, `${path}.1`);
  return open(path, 'a', 0o600);
}

/**
 * Fast shutdown: sessions end, everything is written, and the process is gone when this returns.
 * @throws EmbeddedPostgresError STOP_TIMEOUT after a minute
 */
export async function stopServer(pid: number, directory: DataDirectory): Promise<void> {
  try {
    process.kill(pid, 'SIGINT');
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return;
    throw error;
  }
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(10)) {
    if (!(await isRunning(pid))) return;
  }
  throw new EmbeddedPostgresError(
    'STOP_TIMEOUT',
    `PostgreSQL (process ${pid}) did not stop within a minute; ${directory.logFile} may say why. ` +
      `Its data is safe, and the next start will join it.`,
  );
}
