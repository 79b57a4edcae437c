import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../core/index.ts';

export interface EmulatorProcessOptions {
  /** The file that runs an emulator. */
  main: string;
  dataDir: string;
  speed: number;
  log: Log;
}

/** An emulator in a process of its own, shared by all Offpeak processes of one data directory. */
export interface EmulatorProcess {
  url: string;
  /** Leaves; the emulator ends by itself when nobody is attached any more. */
  close(): Promise<void>;
}

/** How long the emulator lives on without anybody attached: long enough for a restart to find it again. */
const ORPHAN_LIFE = 3000;
const START_TIMEOUT = 15_000;
/** How long whoever listens at the address may take to answer. */
const ANSWER_TIMEOUT = 2000;

/**
 * Attaches to the emulator of a data directory, and starts one if none answers. The attachment is an open connection,
 * so a killed Offpeak leaves no emulator behind. An emulator that dies is started again at the same port.
 */
export async function attachEmulator(options: EmulatorProcessOptions): Promise<EmulatorProcess> {
  await mkdir(options.dataDir, { recursive: true });
  const keeper = new Keeper(options);
  const url = await keeper.attach();
  return { url, close: () => keeper.close() };
}

interface Address {
  url: string;
  instanceId: string;
}

class Keeper {
  readonly #options: EmulatorProcessOptions;
  /** Ends the attachment, and whatever is being done to get it back. */
  readonly #closing = new AbortController();
  #reattaching: Promise<void> | undefined;
  #url: string | undefined;

  constructor(options: EmulatorProcessOptions) {
    this.#options = options;
  }

  async attach(): Promise<string> {
    const { signal } = this.#closing;
    const until = Date.now() + START_TIMEOUT;
    let child: ChildProcess | undefined;
    for (;;) {
      const address = await this.#readAddress();
      const response = address && (await this.#connect(address));
      if (response) {
        this.#url = address.url;
        response.resume().once('close', () => {
          this.#reattaching = this.#reattach();
        });
        return address.url;
      }
      signal.throwIfAborted();
      // One that ended at once found the directory still taken by an emulator that is closing.
      if (!child || child.exitCode !== null || child.signalCode !== null) child = await this.#spawn();
      if (Date.now() > until) throw new Error(`The emulator did not start; see ${this.#logFile}.`);
      await pause(50, undefined, { signal });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reattaching;
  }

  get #logFile(): string {
    return join(this.#options.dataDir, 'emulator.log');
  }

  async #reattach(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        this.#options.log.warn({}, 'the emulator has gone; it is started again');
        await this.attach();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.error({ message: (error as Error).message }, 'the emulator could not be started');
        await pause(1000, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #readAddress(): Promise<Address | undefined> {
    try {
      return JSON.parse(await readFile(join(this.#options.dataDir, 'address.json'), 'utf8')) as Address;
    } catch {
      return undefined; // not started yet, or ended cleanly
    }
  }

  /**
   * An emulator that was killed leaves its address behind, and anybody may listen there now: only the one that names
   * itself as this directory's is taken.
   */
  #connect({ url, instanceId }: Address): Promise<IncomingMessage | undefined> {
    return new Promise((resolve) => {
      const { signal } = this.#closing;
      const request = get(`${url}/emulator/attach`, { agent: false, signal, timeout: ANSWER_TIMEOUT });
      request.once('response', (response) => {
        request.setTimeout(0);
        if (response.statusCode === 200 && response.headers['x-offpeak-emulator'] === instanceId)
          resolve(response);
        else resolve(void response.destroy());
      });
      request.once('timeout', () => request.destroy());
      request.on('error', () => resolve(undefined));
    });
  }

  /** In a process group of its own, so that Ctrl-C reaches only us. A second one on the same directory ends at once. */
  async #spawn(): Promise<ChildProcess> {
    const output = await open(this.#logFile, 'a');
    const port = this.#url ? new URL(this.#url).port : '0';
    const { main, dataDir, speed } = this.#options;
    const args = [
      '--port',
      port,
      '--data',
      dataDir,
      '--speed',
      `${speed}`,
      '--exit-when-detached',
      `${ORPHAN_LIFE}`,
    ];
    const child = spawn(process.execPath, [main, ...args], {
      cwd: dirname(main),
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
    });
    child.unref();
    child.once('error', (error) =>
      this.#options.log.error({ message: error.message }, 'the emulator could not be started'),
    );
    await output.close();
    return child;
  }
}
