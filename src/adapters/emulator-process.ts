import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { get, type ClientRequest, type IncomingMessage } from 'node:http';
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

class Keeper {
  readonly #options: EmulatorProcessOptions;
  #connection: ClientRequest | undefined;
  #url: string | undefined;
  #closed = false;

  constructor(options: EmulatorProcessOptions) {
    this.#options = options;
  }

  async attach(): Promise<string> {
    const until = Date.now() + START_TIMEOUT;
    let child: ChildProcess | undefined;
    while (!this.#closed) {
      const url = await this.#readAddress();
      const response = url && (await this.#connect(url));
      if (url && response) {
        this.#url = url;
        response.resume().once('close', () => void this.#reattach());
        return url;
      }
      // One that ended at once found the directory still taken by an emulator that is closing.
      if (!child || child.exitCode !== null) child = await this.#spawn();
      if (Date.now() > until) throw new Error(`The emulator did not start; see ${this.#logFile}.`);
      await pause(50);
    }
    throw new Error('The emulator was closed while it started.');
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#connection?.destroy();
    return Promise.resolve();
  }

  get #logFile(): string {
    return join(this.#options.dataDir, 'emulator.log');
  }

  async #reattach(): Promise<void> {
    while (!this.#closed) {
      try {
        this.#options.log.warn({}, 'the emulator has gone; it is started again');
        await this.attach();
        return;
      } catch (error) {
        this.#options.log.error({ message: (error as Error).message }, 'the emulator could not be started');
        await pause(1000);
      }
    }
  }

  async #readAddress(): Promise<string | undefined> {
    try {
      return (
        JSON.parse(await readFile(join(this.#options.dataDir, 'address.json'), 'utf8')) as { url: string }
      ).url;
    } catch {
      return undefined; // not started yet, or ended cleanly
    }
  }

  #connect(url: string): Promise<IncomingMessage | undefined> {
    return new Promise((resolve) => {
      this.#connection = get(`${url}/emulator/attach`, { agent: false }, (response) => {
        if (response.statusCode === 200) resolve(response);
        else resolve(void response.destroy());
      });
      this.#connection.once('error', () => resolve(undefined));
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
