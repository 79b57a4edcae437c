import type { Log } from '../core/index.ts';

/** The longest pause after turns that fail one after another, in milliseconds. */
const MAX_PAUSE = 30_000;

/** Runs `tick` again and again with a pause between two turns, longer after failures; a failure never ends it. */
export class Loop {
  readonly #name: string;
  readonly #tick: () => Promise<void>;
  readonly #pause: number;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> | undefined;
  #failures = 0;
  #stopped = false;

  constructor(name: string, tick: () => Promise<void>, pause: number, log: Log) {
    this.#name = name;
    this.#tick = tick;
    this.#pause = pause;
    this.#log = log;
  }

  start(): void {
    this.#turn = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  async #run(): Promise<void> {
    try {
      await this.#tick();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.#log.error({ loop: this.#name, failures: this.#failures, err: error }, 'a turn of a loop failed');
    }
    if (this.#stopped) return;
    const pause = Math.min(this.#pause * 2 ** Math.min(this.#failures, 10), Math.max(MAX_PAUSE, this.#pause));
    this.#timer = setTimeout(() => this.start(), pause);
  }
}
