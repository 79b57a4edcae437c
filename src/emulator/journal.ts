import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** Everything that changes what the emulator answers, in the order in which it happened. */
export type JournalEntry =
  | { kind: 'started'; atMs: number; speed: number; seed: number }
  | ({ kind: 'accepted' } & AcceptedBatch)
  | { kind: 'canceled'; id: string; atMs: number }
  | { kind: 'deleted'; id: string; atMs: number }
  | { kind: 'clock'; offsetMs: number }
  | { kind: 'settings'; atMs: number; speed: number; resultsDelayMs: number };

/** What the journal knows of a batch; its requests stand in a file of their own. */
export interface AcceptedBatch {
  id: string;
  workspace: string;
  /** Position among all batches ever accepted here, from 1. */
  seq: number;
  createdMs: number;
  /** Number of requests. */
  count: number;
  bytes: number;
  seed: number;
}

/**
 * Reads a journal. A last line that was cut off by a crash was never acknowledged: it is removed.
 * A damaged line anywhere else is an error, since what follows it cannot be trusted.
 */
export function readJournal(path: string): JournalEntry[] {
  if (!existsSync(path)) return [];
  const bytes = readFileSync(path);
  const whole = bytes.lastIndexOf(0x0a) + 1;
  if (whole < bytes.length) truncateSync(path, whole);
  const lines = bytes.subarray(0, whole).toString().split('\n').slice(0, -1);
  return lines.map((line, index) => {
    try {
      return JSON.parse(line) as JournalEntry;
    } catch (cause) {
      throw new Error(`${path}: line ${index + 1} is damaged`, { cause });
    }
  });
}

interface Waiting {
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** Appends entries durably. Entries that arrive while a sync is under way share the next one. */
export class Journal {
  readonly #file: FileHandle;
  readonly #durable: boolean;
  #lines = '';
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #broken: unknown;

  private constructor(file: FileHandle, durable: boolean) {
    this.#file = file;
    this.#durable = durable;
  }

  static async open(path: string, durable: boolean): Promise<Journal> {
    return new Journal(await open(path, 'a'), durable);
  }

  /** Resolves once the entry is on the disk. */
  append(entry: JournalEntry): Promise<void> {
    this.#lines += `${JSON.stringify(entry)}\n`;
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#writing ??= this.#drain();
    return done;
  }

  /** Resolves once nothing is waiting to be written. */
  async flushed(): Promise<void> {
    await this.#writing;
    if (this.#broken !== undefined) throw this.#broken;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const [lines, waiting] = [this.#lines, this.#waiting];
      [this.#lines, this.#waiting] = ['', []];
      try {
        // After a failed write the end of the file is unknown: appending would damage the next line.
        if (this.#broken !== undefined) throw this.#broken;
        await this.#file.appendFile(lines);
        if (this.#durable) await this.#file.datasync();
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        this.#broken = error;
        for (const { reject } of waiting) reject(error);
      }
    }
    this.#writing = undefined;
  }
}
