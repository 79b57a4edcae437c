import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** `npm start`, as a user runs it. */
export class Started {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** Starts it and waits until it says where it listens. */
  static async run(env: NodeJS.ProcessEnv): Promise<Started> {
    const child = spawn('npm', ['start', '--silent'], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const url = await until('the program says where it listens', () => {
      if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}:\n${output}`);
      return Promise.resolve(/(http:\S+)\/graphql/.exec(output)?.[1]);
    });
    return new Started(child, url);
  }

  /** Kills npm and the program at once, as the kernel does when memory runs out. */
  async kill(): Promise<void> {
    const ended = once(this.#child, 'close');
    process.kill(-this.#child.pid!, 'SIGKILL');
    await ended;
  }

  /** What Ctrl-C does; returns the milliseconds until it had ended, 0 if it had before. */
  async interrupt(): Promise<number> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return 0;
    const ended = once(this.#child, 'close');
    const began = performance.now();
    process.kill(-this.#child.pid!, 'SIGINT');
    await ended;
    return performance.now() - began;
  }
}

/** Asks again and again, at most a minute, until the answer is neither undefined nor false. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const end = performance.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`Waited a minute in vain until ${what}.`);
    await pause(50);
  }
}

/** The command lines of all processes that name a directory. */
export async function processesOf(directory: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(directory)).map((line) => line.replaceAll('\0', ' ').trim());
}
