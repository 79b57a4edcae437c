import { stat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from './error.ts';

/** The operating system user that initdb and postgres run as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** True when it is another user than ours, which only root can arrange. */
  readonly switched: boolean;
}

/** "nobody" on every current system; PostgreSQL refuses to run as root. */
const NOBODY = 65534;

/**
 * Ordinary users run PostgreSQL as themselves. Root runs it as the owner of the database that is already there,
 * so that `sudo` once does not lock the user out of his own data, and as nobody otherwise.
 */
export async function serverAccount(postgresDir: string): Promise<Account> {
  const uid = process.geteuid?.() ?? 0;
  if (uid !== 0) return { uid, gid: process.getegid?.() ?? uid, switched: false };
  const owner = await stat(postgresDir).catch(() => undefined);
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid, switched: true };
  return { uid: NOBODY, gid: NOBODY, switched: true };
}

/** What `child_process` needs to run as the account; setting even one's own uid would need privileges. */
export function spawnIdentity(account: Account): { uid?: number; gid?: number } {
  return account.switched ? { uid: account.uid, gid: account.gid } : {};
}

/** The first directory on the way to `path` that the account may not pass through, if there is one. */
export async function closedDirectory(path: string, account: Account): Promise<string | undefined> {
  if (!account.switched) return undefined;
  const existing = await deepestExisting(path);
  const way = [existing];
  while (dirname(way[0] ?? '/') !== way[0]) way.unshift(dirname(way[0] ?? '/'));
  for (const directory of way) {
    const { uid, gid, mode } = await stat(directory);
    const needed = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & needed) === 0) return directory;
  }
  return undefined;
}

async function deepestExisting(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return deepestExisting(dirname(path));
  }
}
