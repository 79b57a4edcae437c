import { createHash, randomBytes } from 'node:crypto';
import {
  access,
  chmod,
  chown,
  constants,
  link,
  lstat,
  mkdir,
  open,
  readFile,
  realpath,
  rm,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { type Account, closedDirectory, serverAccount } from './account.ts';
import { EmbeddedPostgresError, errorCode, fromFileSystem } from './error.ts';

/** Where things lie below the data directory; `root` is a real path, so that two spellings mean one server. */
export interface DataDirectory {
  readonly root: string;
  /** 0700, of PostgreSQL's user; the rest of `root` is ours. */
  readonly postgres: string;
  readonly cluster: string;
  readonly passwordFile: string;
  readonly logFile: string;
  readonly account: Account;
}

/**
 * The data directory for a checkout: `<cwd>/.offpeak`. Where PostgreSQL's user cannot get there or we cannot write,
 * a durable place of this machine takes its stead and `reason` says why: below /var/lib/offpeak for root,
 * else below $XDG_STATE_HOME (~/.local/state). A database that already exists at either place is never left behind.
 */
export async function defaultDataDir(cwd: string): Promise<{ dataDir: string; reason?: string }> {
  const here = join(await realpath(cwd), '.offpeak');
  const elsewhere = fallbackFor(await realpath(cwd));
  if (await exists(join(here, 'postgres/cluster'))) return { dataDir: here };
  if (await exists(join(elsewhere, 'postgres/cluster'))) {
    return { dataDir: elsewhere, reason: `the data of ${cwd} was put into ${elsewhere} by an earlier start` };
  }
  const account = await serverAccount(join(here, 'postgres'));
  const closed = await closedDirectory(here, account);
  if (closed !== undefined) {
    const reason =
      `PostgreSQL does not run as root, and its user (id ${account.uid}) may not pass ${closed}: ` +
      `the data is kept in ${elsewhere}`;
    return { dataDir: elsewhere, reason };
  }
  const target = (await exists(here)) ? here : dirname(here);
  const problem = await access(target, constants.W_OK | constants.X_OK).catch((error: unknown) => error);
  if (problem === undefined) return { dataDir: here };
  const reason = `${target} cannot be written (${errorCode(problem)}): the data is kept in ${elsewhere}`;
  return { dataDir: elsewhere, reason };
}

function fallbackFor(cwd: string): string {
  const name = `${basename(cwd) || 'root'}-${createHash('sha256').update(cwd).digest('hex').slice(0, 8)}`;
  if (process.geteuid?.() === 0) return join('/var/lib/offpeak', name);
  return join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local/state'), 'offpeak', name);
}

/**
 * Makes the directory and its `postgres` folder with the owners and modes PostgreSQL insists on.
 * @throws EmbeddedPostgresError DATA_DIR_INVALID, DATA_DIR_NOT_WRITABLE, DATA_DIR_UNREACHABLE, DISK_FULL
 */
export async function prepareDataDirectory(dataDir: string): Promise<DataDirectory> {
  if (!isAbsolute(dataDir)) {
    const message = `The data directory must be an absolute path, and "${dataDir}" is relative.`;
    throw new EmbeddedPostgresError('DATA_DIR_INVALID', message);
  }
  try {
    const root = await makeRoot(dataDir);
    const postgres = join(root, 'postgres');
    const account = await serverAccount(postgres);
    await refuseClosed(root, account);
    await makePostgresFolder(postgres, account);
    await access(root, constants.W_OK | constants.X_OK);
    return {
      root,
      postgres,
      account,
      cluster: join(postgres, 'cluster'),
      passwordFile: join(root, 'postgres-password'),
      logFile: join(root, 'postgres.log'),
    };
  } catch (error) {
    throw fromFileSystem(dataDir, error);
  }
}

async function makeRoot(dataDir: string): Promise<string> {
  const first = await mkdir(dataDir, { recursive: true });
  // Root's umask may be 077, which would close what was just made to PostgreSQL's user.
  if (first !== undefined && process.geteuid?.() === 0) {
    for (let path = dataDir; path.startsWith(first); path = dirname(path)) await chmod(path, 0o755);
  }
  return realpath(dataDir);
}

async function refuseClosed(root: string, account: Account): Promise<void> {
  const closed = await closedDirectory(root, account);
  if (closed === undefined) return;
  throw new EmbeddedPostgresError(
    'DATA_DIR_UNREACHABLE',
    `PostgreSQL does not run as root, and its user (id ${account.uid}) may not pass ${closed}, so it cannot reach ` +
      `the data directory ${root}. Open that directory (chmod o+x ${closed}), name another data directory, ` +
      `or run this program as an ordinary user.`,
  );
}

async function makePostgresFolder(path: string, account: Account): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  const found = await lstat(path);
  if (!found.isDirectory()) {
    throw new EmbeddedPostgresError('DATA_DIR_INVALID', `${path} must be a directory; it is something else.`);
  }
  if (found.uid !== account.uid) await chown(path, account.uid, account.gid);
  if ((found.mode & 0o777) !== 0o700) await chmod(path, 0o700);
}

/**
 * The password of the superuser, made at the first start. Of two first starts at once both get the same one.
 * @throws EmbeddedPostgresError PASSWORD_MISSING when the database exists and its password is gone
 */
export async function superuserPassword(directory: DataDirectory): Promise<string> {
  const { passwordFile, postgres, cluster } = directory;
  const known = await readPassword(passwordFile);
  if (known !== undefined) return known;
  if (await exists(join(cluster, 'PG_VERSION'))) {
    throw new EmbeddedPostgresError(
      'PASSWORD_MISSING',
      `${passwordFile} is missing or empty, and without it nobody can enter the database beside it. Restore this file.`,
    );
  }
  const draft = join(postgres, `init-${process.pid}-${randomBytes(4).toString('hex')}.password`);
  try {
    await writePrivately(draft, randomBytes(32).toString('base64url'));
    // link, unlike rename, lets the first one win: another starter may have run initdb with his already.
    await link(draft, passwordFile);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw fromFileSystem(directory.root, error);
  } finally {
    await rm(draft, { force: true });
  }
  return (await readPassword(passwordFile)) ?? superuserPassword(directory);
}

async function readPassword(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim() || undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw fromFileSystem(path, error);
  }
}

/** A new file of mode 0600 that is on the disk when this returns. */
export async function writePrivately(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`${content}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
