import { createHash } from 'node:crypto';
import { access, chown, constants, lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Account } from './account.ts';
import type { DataDirectory } from './data-directory.ts';
import { EmbeddedPostgresError, errorCode } from './error.ts';

/** Names the socket file only: the server has no TCP port. */
export const PORT = 5432;

/** What fits into sockaddr_un besides its final NUL. A longer path is cut or refused. */
const LONGEST_SOCKET_PATH = process.platform === 'darwin' ? 103 : 107;

export function socketPath(directory: string): string {
  return join(directory, `.s.PGSQL.${PORT}`);
}

/**
 * A 0700 folder of PostgreSQL's user for the socket: `<data dir>/postgres/s`, or where that is too long for a socket,
 * `offpeak-<hash of the data dir>` below $XDG_RUNTIME_DIR, /run (root) or the temporary directory.
 * @throws EmbeddedPostgresError SOCKET_DIR_UNTRUSTED when somebody else made that folder
 */
export async function ensureSocketDirectory({ root, postgres, account }: DataDirectory): Promise<string> {
  const inside = join(postgres, 's');
  const fits = Buffer.byteLength(socketPath(inside)) <= LONGEST_SOCKET_PATH;
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 16);
  const path = fits ? inside : join(await runtimeDirectory(account), `offpeak-${hash}`);
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  const found = await lstat(path);
  const ours = found.uid === account.uid || (account.switched && found.uid === 0);
  if (!found.isDirectory() || !ours || (found.mode & 0o077) !== 0) {
    throw new EmbeddedPostgresError(
      'SOCKET_DIR_UNTRUSTED',
      `The folder ${path} for PostgreSQL's socket belongs to user id ${found.uid} with mode ` +
        `${(found.mode & 0o777).toString(8)}; it must belong to user id ${account.uid} with mode 700. ` +
        `Remove it, or use a data directory with a shorter path.`,
    );
  }
  if (found.uid !== account.uid) await chown(path, account.uid, account.gid);
  return path;
}

async function runtimeDirectory(account: Account): Promise<string> {
  const preferred = process.geteuid?.() === 0 ? '/run' : process.env['XDG_RUNTIME_DIR'];
  if (preferred === undefined || preferred === '') return tmpdir();
  const found = await lstat(preferred).catch(() => undefined);
  const trusted = found?.isDirectory() === true && (found.uid === account.uid || found.uid === 0);
  const usable =
    trusted &&
    (await access(preferred, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    ));
  return usable ? preferred : tmpdir();
}
