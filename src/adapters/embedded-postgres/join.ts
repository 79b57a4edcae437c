import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, DatabaseError } from 'pg';
import { EmbeddedPostgresError, errorCode, fromServerLog } from './error.ts';
import { becomeMember, type Connection, disconnect, ensureDatabase } from './membership.ts';
import { readPidFile, type ServerChoices, type Starting, startServer } from './server.ts';

/** A membership of the running server. */
export interface Joined {
  readonly member: Client;
  /** Settles when the membership has ended, at our wish or not. */
  readonly lost: Promise<void>;
  readonly connection: Connection;
  readonly serverId: number | undefined;
  /** Whether this call started the server. */
  readonly started: boolean;
}

export interface JoinChoices extends ServerChoices {
  readonly credentials: Omit<Connection, 'host'>;
  readonly log: (line: string) => void;
}

const PATIENCE_MS = 30_000;
const HURRY_MS = 5_000;
/** Replaying the log after a power loss is work, not silence: a server that says so is given longer. */
const RECOVERY_PATIENCE_MS = 600_000;

/** Answers of a server that is coming, going or busy: the next try may find it ready, or gone and to be started. */
const PASSING = new Set(['57P01', '57P02', '57P03', '55P03', '55006', '53300']);

/**
 * Becomes a member of the server of this cluster and starts it when there is none. Safe against others doing the same
 * at the same moment, and against the last member just stopping it.
 * @throws EmbeddedPostgresError
 */
export async function join(choices: JoinChoices, signal: AbortSignal): Promise<Joined> {
  const attempt = new Attempt(choices);
  try {
    for (;;) {
      const joined = await attempt.enter();
      if (joined !== undefined) return joined;
      if (signal.aborted) attempt.hurry(signal);
      await attempt.makeProgress();
      await sleep(20);
    }
  } catch (error) {
    attempt.abandon();
    throw error;
  }
}

class Attempt {
  readonly #choices: JoinChoices;
  readonly #begun = Date.now();
  #deadline = Date.now() + PATIENCE_MS;
  #starting: Starting | undefined;
  #spawnAgainAt = 0;
  #lastError: unknown;

  constructor(choices: JoinChoices) {
    this.#choices = choices;
  }

  get isStarting(): boolean {
    return this.#starting?.ended === false;
  }

  /** We are to leave: a server that we are just starting has to be entered first, to be stopped in good order. */
  hurry(signal: AbortSignal): void {
    if (!this.isStarting) throw signal.reason;
    this.#deadline = Math.min(this.#deadline, Date.now() + HURRY_MS);
  }

  /** One try to enter; undefined when there is a reason to try again. */
  async enter(): Promise<Joined | undefined> {
    const { directory, socketDirectory, credentials } = this.#choices;
    const running = await readPidFile(directory.cluster);
    // The server's own word goes first: another process may have chosen the place under other circumstances.
    const host = (running?.live === true ? running.socketDirectory : undefined) ?? socketDirectory;
    const connection = { ...credentials, host };
    let member: Client | undefined;
    try {
      member = await becomeMember(connection);
      const lost = ended(member);
      await ensureDatabase(member, connection);
      const serverId = (await readPidFile(directory.cluster))?.pid;
      return {
        member,
        lost,
        connection,
        serverId,
        started: this.isStarting && this.#starting?.pid === serverId,
      };
    } catch (error) {
      if (member !== undefined) await disconnect(member);
      this.#judge(error);
      return undefined;
    }
  }

  #judge(error: unknown): void {
    this.#lastError = error;
    const { directory, log } = this.#choices;
    const code = errorCode(error);
    if (
      code === '57P03' &&
      !/shutting down/.test(String(error)) &&
      this.#deadline < Date.now() + PATIENCE_MS / 2
    ) {
      log('PostgreSQL is still recovering its data');
      this.#deadline = Math.min(Date.now() + PATIENCE_MS, this.#begun + RECOVERY_PATIENCE_MS);
    }
    if (code === '28P01' || code === '28000') {
      throw new EmbeddedPostgresError(
        'PASSWORD_MISMATCH',
        `PostgreSQL does not accept the password in ${directory.passwordFile}: it is not the one this database was ` +
          `made with. Restore the right file.`,
        { cause: error },
      );
    }
    if (code === '53100') {
      const message = `The disk that holds ${directory.root} is full. Free some space and start again.`;
      throw new EmbeddedPostgresError('DISK_FULL', message, { cause: error });
    }
    if (error instanceof DatabaseError && !PASSING.has(code ?? '')) throw this.#failed(String(error), error);
    if (code === 'EACCES')
      throw this.#failed(`its socket may not be used by this user (${String(error)})`, error);
  }

  /** Starts the server when nobody has, and gives up when that is hopeless or the time is over. */
  async makeProgress(): Promise<void> {
    const { directory } = this.#choices;
    if (Date.now() > this.#deadline) throw await this.#timeout();
    if (this.#starting?.ended === true) {
      const verdict = await this.#starting
        .readLog()
        .then((text) => fromServerLog(directory.root, tail(text)));
      if (verdict !== 'try again') throw verdict;
      this.#starting = undefined;
      this.#spawnAgainAt = Date.now() + 100;
    }
    if (this.#starting !== undefined || Date.now() < this.#spawnAgainAt) return;
    const found = await readPidFile(directory.cluster);
    if (found?.live !== true) this.#starting = await startServer(this.#choices, found?.pid);
  }

  /** Nobody is to be left with a server that no process is a member of. */
  abandon(): void {
    if (this.#starting === undefined || this.#starting.ended) return;
    try {
      process.kill(this.#starting.pid, 'SIGINT');
    } catch {
      // It has just ended by itself.
    }
  }

  #failed(problem: string, cause: unknown): EmbeddedPostgresError {
    const { root } = this.#choices.directory;
    return new EmbeddedPostgresError('START_FAILED', `PostgreSQL in ${root} cannot be used: ${problem}`, {
      cause,
    });
  }

  async #timeout(): Promise<EmbeddedPostgresError> {
    const { directory } = this.#choices;
    const running = await readPidFile(directory.cluster);
    const state =
      running?.live === true ? `process ${running.pid} runs but does not answer` : 'no server runs';
    const written = await readFile(directory.logFile, 'utf8').catch(() => '');
    return new EmbeddedPostgresError(
      'START_TIMEOUT',
      `PostgreSQL in ${directory.root} was not ready in time: ${state} (${String(this.#lastError)}). ` +
        `The end of ${directory.logFile}:\n${tail(written)}`,
      { cause: this.#lastError },
    );
  }
}

function tail(log: string): string {
  return log.trim().split('\n').slice(-20).join('\n');
}

/** Listened for from the first moment on: an end that comes while we are still asking would be missed later. */
function ended(member: Client): Promise<void> {
  return new Promise((resolve) => {
    member.once('end', resolve);
  });
}
