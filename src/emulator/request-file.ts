import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Outcome } from './outcomes.ts';
import type { JsonObject } from './wire.ts';

const CHUNK = 1 << 20;
const PARAMS = ',"params":';

export interface StoredRequest {
  custom_id: string;
  outcome: Outcome;
  params: JsonObject;
}

/** One line of a batch's file. The params come last and serialized, so that a scan need not parse them. */
export function requestLine(customId: string, outcome: Outcome, params: string): string {
  return `{"custom_id":"${customId}","outcome":${JSON.stringify(outcome)}${PARAMS}${params}}\n`;
}

/** What is kept in memory of a batch's requests: ids, decided outcomes, and where each line begins. */
export class RequestIndex {
  readonly customIds: string[] = [];
  readonly outcomes: Outcome['type'][] = [];
  readonly #offsets: number[] = [];
  #end = 0;

  add(customId: string, outcome: Outcome['type'], bytes: number): void {
    this.customIds.push(customId);
    this.outcomes.push(outcome);
    this.#offsets.push(this.#end);
    this.#end += bytes;
  }

  /** Reads one request back from the open file. */
  read(fd: number, index: number): StoredRequest {
    const from = this.#offsets[index] as number;
    const bytes = Buffer.allocUnsafe((this.#offsets[index + 1] ?? this.#end) - from);
    let filled = 0;
    while (filled < bytes.length) {
      const got = readSync(fd, bytes, filled, bytes.length - filled, from + filled);
      if (got === 0) throw new Error(`request ${index} is missing from its file`);
      filled += got;
    }
    return JSON.parse(bytes.toString()) as StoredRequest;
  }
}

/** Writes a batch's requests, a megabyte at a time, and returns their index. */
export async function writeRequests(
  path: string,
  requests: Iterable<{ customId: string; outcome: Outcome; line: string }>,
  durable: boolean,
): Promise<RequestIndex> {
  const index = new RequestIndex();
  await using file = await open(path, 'w');
  let parts: string[] = [];
  let held = 0;
  for (const { customId, outcome, line } of requests) {
    const bytes = Buffer.byteLength(line);
    index.add(customId, outcome.type, bytes);
    parts.push(line);
    held += bytes;
    if (held < CHUNK) continue;
    await file.writeFile(parts.join(''));
    parts = [];
    held = 0;
  }
  await file.writeFile(parts.join(''));
  if (durable) await file.sync();
  return index;
}

/** Rebuilds the index of a file by reading through it once. */
export function scanRequests(path: string): RequestIndex {
  const index = new RequestIndex();
  const fd = openSync(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK);
    let rest: Buffer = Buffer.alloc(0);
    for (let got = readSync(fd, chunk); got > 0; got = readSync(fd, chunk)) {
      rest = indexLines(index, Buffer.concat([rest, chunk.subarray(0, got)]));
    }
  } finally {
    closeSync(fd);
  }
  return index;
}

/** Indexes the whole lines of a piece of the file and returns what is left over. */
function indexLines(index: RequestIndex, bytes: Buffer): Buffer {
  let from = 0;
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, from)) {
    const head = bytes.subarray(from, bytes.indexOf(PARAMS, from)).toString();
    const { custom_id, outcome } = JSON.parse(`${head}}`) as StoredRequest;
    index.add(custom_id, outcome.type, end + 1 - from);
    from = end + 1;
  }
  return bytes.subarray(from);
}
