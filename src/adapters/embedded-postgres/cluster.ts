import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { spawnIdentity } from './account.ts';
import { type Binaries, serverEnvironment } from './binaries.ts';
import { type DataDirectory, writePrivately } from './data-directory.ts';
import { EmbeddedPostgresError, errorCode, fromFileSystem, fromServerLog } from './error.ts';
import { isRunning } from './process-id.ts';

export const SUPERUSER = 'offpeak';

/**
 * Makes the cluster where there is none, and refuses one that these binaries cannot open.
 * initdb works in a temporary sibling that is renamed when complete: a crash never leaves half a cluster, and of two
 * first starts at once the slower one throws its own away.
 * @throws EmbeddedPostgresError CLUSTER_VERSION, CLUSTER_DAMAGED, DISK_FULL, ACCOUNT_UNUSABLE, START_FAILED
 */
export async function ensureCluster(
  directory: DataDirectory,
  binaries: Binaries,
  password: string,
  durable: boolean,
): Promise<'made' | 'found'> {
  if (await isCluster(directory, binaries.major)) return 'found';
  await removeAbandoned(directory.postgres);
  const draft = join(directory.postgres, `init-${process.pid}-${randomBytes(4).toString('hex')}`);
  try {
    await initialize(draft, directory, binaries, password, durable);
    await rename(draft, directory.cluster);
    if (durable) await syncDirectory(directory.postgres);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Whatever went wrong with ours, a rival's finished cluster is as good.
    if (!(await isCluster(directory, binaries.major))) throw fromFileSystem(directory.root, error);
  }
  return 'made';
}

async function isCluster({ cluster }: DataDirectory, major: number): Promise<boolean> {
  let found: string;
  try {
    found = (await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fromFileSystem(cluster, error);
    const rest = await readdir(cluster).catch(() => []);
    if (rest.length === 0) return false;
    throw new EmbeddedPostgresError(
      'CLUSTER_DAMAGED',
      `${cluster} holds files but no PG_VERSION, so it is not a PostgreSQL cluster. ` +
        `Restore it from a backup, or move it away to begin with an empty database.`,
    );
  }
  if (found === String(major)) return true;
  throw new EmbeddedPostgresError(
    'CLUSTER_VERSION',
    `The database in ${cluster} was made by PostgreSQL ${found}, and this release brings PostgreSQL ${major}, which ` +
      `cannot open it. Use the release that made it, or move the data: pg_dump it with that release, name another ` +
      `data directory, restore it there.`,
  );
}

async function initialize(
  draft: string,
  { account, root }: DataDirectory,
  { initdb }: Binaries,
  password: string,
  durable: boolean,
): Promise<void> {
  const passwordFile = `${draft}.password`;
  // builtin C.UTF-8: sorts by code point, the same on every machine and after every system upgrade.
  const choices = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  if (!durable) choices.push('--no-sync');
  try {
    await writePrivately(passwordFile, password);
    if (account.switched) await chown(passwordFile, account.uid, account.gid);
    await promisify(execFile)(
      initdb,
      ['-D', draft, '-U', SUPERUSER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, ...choices],
      { ...spawnIdentity(account), env: serverEnvironment, cwd: '/' },
    );
  } catch (error) {
    throw initdbFailure(root, account.uid, error);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

function initdbFailure(root: string, uid: number, error: unknown): unknown {
  const text = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  if (text === '') return error;
  if (text.includes('could not look up effective user ID')) {
    return new EmbeddedPostgresError(
      'ACCOUNT_UNUSABLE',
      `PostgreSQL cannot make a database as user id ${uid}, which has no entry in /etc/passwd. ` +
        `Add one, run this program as a user that has one, or set DATABASE_URL.`,
      { cause: error },
    );
  }
  const failure = fromServerLog(root, text);
  return failure === 'try again' ? error : failure;
}

/**
 * What starts left behind that were killed before they could rename. Their initdb may survive them for a second and
 * write into what is being removed: the rest then waits for a later start.
 */
async function removeAbandoned(postgres: string): Promise<void> {
  for (const name of await readdir(postgres)) {
    const pid = /^init-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || (await isRunning(Number(pid)))) continue;
    await rm(join(postgres, name), { recursive: true, force: true }).catch(() => {});
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
