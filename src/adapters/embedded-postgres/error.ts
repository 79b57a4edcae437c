/** Everything that can stop the embedded server, one code per remedy. */
export type EmbeddedPostgresErrorCode =
  | 'PLATFORM_UNSUPPORTED'
  | 'BINARIES_MISSING'
  | 'BINARIES_UNUSABLE'
  | 'ACCOUNT_UNUSABLE'
  | 'DATA_DIR_INVALID'
  | 'DATA_DIR_UNREACHABLE'
  | 'DATA_DIR_NOT_WRITABLE'
  | 'DISK_FULL'
  | 'CLUSTER_VERSION'
  | 'CLUSTER_DAMAGED'
  | 'PASSWORD_MISSING'
  | 'PASSWORD_MISMATCH'
  | 'SOCKET_DIR_UNTRUSTED'
  | 'START_FAILED'
  | 'START_TIMEOUT'
  | 'STOP_TIMEOUT';

/** The message says what was wrong and what would be right; it never holds the password. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
  readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The `code` of a Node or PostgreSQL error, or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** A file system error met while preparing `path`, in the words of the one who has to repair it. */
export function fromFileSystem(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(path, error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new EmbeddedPostgresError(
      'DATA_DIR_NOT_WRITABLE',
      `The data directory ${path} cannot be written (${code}). ` +
        `Give it to the user this program runs as, name another data directory, or set DATABASE_URL.`,
      { cause: error },
    );
  }
  if (code === 'ENOTDIR' || code === 'EEXIST') {
    return new EmbeddedPostgresError(
      'DATA_DIR_INVALID',
      `The data directory ${path} cannot be made: a part of this path is a file (${code}). Name a directory.`,
      { cause: error },
    );
  }
  return error;
}

/** How a server that ended before it was ready is to be understood, judged by what it logged. */
export function fromServerLog(dataDir: string, log: string): EmbeddedPostgresError | 'try again' {
  // Another starter won, or the last backends of a killed server are still letting go of its memory.
  if (/lock file ".*" already exists|pre-existing shared memory block/.test(log)) return 'try again';
  if (/No space left on device|Disk quota exceeded/.test(log)) return diskFull(dataDir, new Error(log));
  if (/Permission denied|has wrong ownership|has invalid permissions|Read-only file system/.test(log)) {
    return new EmbeddedPostgresError(
      'DATA_DIR_NOT_WRITABLE',
      `PostgreSQL may not use its files in ${dataDir}. They must belong to the user it runs as, ` +
        `mode 0700. It said:\n${log}`,
    );
  }
  if (
    /database files are incompatible with server|is not a valid data directory|invalid checkpoint|could not locate a valid checkpoint/.test(
      log,
    )
  ) {
    return new EmbeddedPostgresError(
      'CLUSTER_DAMAGED',
      `The database in ${dataDir} cannot be opened: restore it from a backup. PostgreSQL said:\n${log}`,
    );
  }
  return new EmbeddedPostgresError(
    'START_FAILED',
    `PostgreSQL did not start in ${dataDir}. It said:\n${log}`,
  );
}

function diskFull(path: string, cause: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'DISK_FULL',
    `The disk that holds ${path} is full. Free some space (a new database takes 50 MB) and start again; ` +
      `nothing that was acknowledged is lost.`,
    { cause },
  );
}
