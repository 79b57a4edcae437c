import {
  closeSync,
  createReadStream,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { createInterface } from 'node:readline';

/** One request as the emulator saw it. */
export interface LoggedRequest {
  /** Emulator time, RFC 3339. */
  time: string;
  method: string;
  path: string;
  /** Name of the provider route, or null for a path that has none. */
  route: string | null;
  workspace: string | null;
  request_id: string;
  /** The status sent, or null if the connection was cut before one was. */
  status: number | null;
  /** `answered`, the kind of fault that struck, or `client-gone`. */
  outcome: string;
  batch_id: string | null;
  /** Of a create whose envelope was readable. */
  request_count: number | null;
  custom_ids: string[] | null;
}

/**
 * The record of every request to the provider's routes, in a file only: it outlives the process and
 * needs no memory. A line is written before the answer leaves, so a client that got one is in here.
 */
export class RequestLog {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'a+');
    // A line cut off by a crash would run into the next one.
    ftruncateSync(this.#fd, endOfLastLine(this.#fd));
  }

  append(entry: LoggedRequest): void {
    writeSync(this.#fd, `${JSON.stringify(entry)}\n`);
  }

  read(): LoggedRequest[] {
    const lines = readFileSync(this.#path, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LoggedRequest);
  }

  /** The serialized entries one by one, oldest first. */
  lines(): AsyncIterable<string> {
    return createInterface({ input: createReadStream(this.#path), crlfDelay: Infinity });
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Searched from the back, since the log may be long and a torn line is short. */
function endOfLastLine(fd: number): number {
  const chunk = Buffer.allocUnsafe(1 << 16);
  for (let end = fstatSync(fd).size; end > 0;) {
    const from = Math.max(0, end - chunk.length);
    const got = readSync(fd, chunk, 0, end - from, from);
    const at = chunk.subarray(0, got).lastIndexOf(0x0a);
    if (at !== -1) return from + at + 1;
    end = from;
  }
  return 0;
}
