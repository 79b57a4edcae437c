import { randomBytes } from 'node:crypto';
import { cp, chmod, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgresError, errorCode } from './error.ts';
import { isRunning } from './process-id.ts';

/**
 * A copy of `native` that every user can read and only we can write: below /var/cache/offpeak for root, else
 * below the user's cache directory. Made once per version, complete or not at all.
 * @throws EmbeddedPostgresError BINARIES_UNUSABLE when the place cannot be written or cannot be trusted
 */
export async function cachedCopy(native: string, name: string): Promise<string> {
  const cache = cacheDirectory();
  const copy = join(cache, name);
  try {
    await mkdir(cache, { recursive: true, mode: 0o755 });
    await refuseForeign(cache);
    await removeAbandoned(cache);
    if ((await lstat(copy).catch(() => undefined)) === undefined) await copyWhole(native, copy);
    await refuseForeign(copy);
    await refuseForeign(join(copy, 'native'));
    return join(copy, 'native');
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error;
    throw new EmbeddedPostgresError(
      'BINARIES_UNUSABLE',
      `PostgreSQL's user cannot run the binaries in ${native}, and they cannot be copied to ${copy} ` +
        `(${errorCode(error) ?? String(error)}). Make one of the two possible, or set DATABASE_URL.`,
      { cause: error },
    );
  }
}

function cacheDirectory(): string {
  if (process.geteuid?.() === 0) return '/var/cache/offpeak';
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'offpeak');
}

/** Running binaries that somebody else can replace would hand him the database. */
async function refuseForeign(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o022) === 0) return;
  throw new EmbeddedPostgresError(
    'BINARIES_UNUSABLE',
    `${path} would hold a copy of the PostgreSQL binaries, but it is not a directory that only this user can write. ` +
      `Remove it, or correct its owner and mode (0755).`,
  );
}

async function copyWhole(native: string, copy: string): Promise<void> {
  const unfinished = `${copy}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(unfinished, { mode: 0o755 });
    await cp(native, join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
    await chmod(unfinished, 0o755);
    await makeReadable(join(unfinished, 'native'));
    await rename(unfinished, copy);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  }
}

/** Files are synced too: after a power loss the finished name must not stand over empty files. */
async function makeReadable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await makeReadable(path);
    if (!entry.isFile()) continue;
    const file = await open(path, 'r');
    const executable = ((await file.stat()).mode & 0o100) !== 0;
    await file.chmod(executable ? 0o755 : 0o644);
    await file.sync();
    await file.close();
  }
}

async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const pid = /^postgres-.*\.(\d+)\.[0-9a-f]{8}$/.exec(name)?.[1];
    if (pid !== undefined && !(await isRunning(Number(pid))))
      await rm(join(cache, name), { recursive: true, force: true });
  }
}
