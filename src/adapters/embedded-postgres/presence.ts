import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { DataDirectory } from './data-directory.ts';
import type { Joined } from './join.ts';
import { claimLast, connect, disconnect, giveUpMembership } from './membership.ts';
import { isServerOf } from './process-id.ts';
import { readPidFile, stopServer } from './server.ts';

const LONGEST_PAUSE_MS = 10_000;

/** Keeps this process a member from its first joining until it leaves, whatever happens to the server. */
export class Presence {
  readonly #directory: DataDirectory;
  readonly #rejoin: (signal: AbortSignal) => Promise<Joined>;
  readonly #log: (line: string) => void;
  readonly #leaving = new AbortController();
  #joined: Joined;
  #rejoining: Promise<void> | undefined;
  #left: Promise<void> | undefined;
  #replacement: Client | undefined;

  constructor(
    directory: DataDirectory,
    joined: Joined,
    rejoin: (signal: AbortSignal) => Promise<Joined>,
    log: (line: string) => void,
  ) {
    this.#directory = directory;
    this.#joined = joined;
    this.#rejoin = rejoin;
    this.#log = log;
    void this.#watch();
  }

  /** Leaves, and stops the server when nobody else is left. Calling it again gives the same promise. */
  leave(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #watch(): Promise<void> {
    await this.#joined.lost;
    if (this.#leaving.signal.aborted) return;
    this.#log('the connection to PostgreSQL was lost; joining again');
    this.#rejoining = this.#joinAgain(this.#leaving.signal);
  }

  async #joinAgain(signal: AbortSignal): Promise<void> {
    for (let pause = 100; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        this.#joined = await this.#rejoin(signal);
        void this.#watch();
        this.#log(this.#joined.started ? 'PostgreSQL was started again' : 'joined PostgreSQL again');
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#log(`PostgreSQL cannot be joined: ${error instanceof Error ? error.message : String(error)}`);
        await sleep(pause, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #leave(): Promise<void> {
    this.#leaving.abort();
    await this.#rejoining;
    const { member } = this.#joined;
    try {
      // A lost membership is no reason to leave a server behind that nobody else uses.
      const remains = await giveUpMembership(member).catch(() => this.#askAnew());
      if (remains !== 'last') return;
      await this.#stop();
    } finally {
      await disconnect(member);
      if (this.#replacement !== undefined) await disconnect(this.#replacement);
    }
  }

  async #askAnew(): Promise<'last' | 'others remain' | 'no server'> {
    try {
      this.#replacement = await connect(
        { ...this.#joined.connection, database: 'postgres' },
        'offpeak leaving',
        0,
      );
      return await claimLast(this.#replacement);
    } catch {
      return 'no server';
    }
  }

  /** Runs under the exclusive lock: no member is there, and none can come. */
  async #stop(): Promise<void> {
    const { cluster } = this.#directory;
    const named = await readPidFile(cluster);
    // Without its pid file (somebody removed the data directory) the server is still known from the joining.
    const serverId = named?.live === true ? named.pid : this.#joined.serverId;
    if (serverId === undefined || !(await isServerOf(serverId, cluster))) {
      this.#log('PostgreSQL keeps running: its process is not visible from here');
      return;
    }
    await stopServer(serverId, this.#directory);
    this.#log('PostgreSQL was stopped');
  }
}
