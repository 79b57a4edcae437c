import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { answer } from './answers.ts';
import type { Batch, Batches } from './batches.ts';
import { ApiError, errorBody } from './errors.ts';
import type { StreamFault } from './faults.ts';
import { derivedId } from './ids.ts';
import { Random } from './random.ts';
import type { StoredRequest } from './request-file.ts';
import type { Ending } from './schedule.ts';
import type { Result, ResultLine } from './wire.ts';

const CHUNK = 1 << 16;

/**
 * The lines of a batch's results in the order they are sent, which is shuffled: the API promises none.
 * Each line is made when it is asked for, so the memory needed does not grow with the batch. That
 * missing results are answered with 404 is a choice.
 */
export function resultLines(batches: Batches, batch: Batch): Iterable<string> {
  if (batches.archived(batch)) {
    throw new ApiError(404, `Results of message batch ${batch.id} are no longer available: it was archived.`);
  }
  if (batches.status(batch) !== 'ended') {
    throw new ApiError(
      404,
      `Results of message batch ${batch.id} are not available yet: processing has not ended.`,
    );
  }
  return makeLines(batches, batch);
}

function* makeLines(batches: Batches, batch: Batch): Generator<string> {
  const [index, schedule] = [batches.index(batch), batches.schedule(batch)];
  const fd = openSync(batches.requestsPath(batch), 'r');
  try {
    for (const request of new Random(batch.seed, batch.id, 'order').shuffled(batch.count)) {
      const stored = index.read(fd, request);
      const result = resultOf(batch, stored, schedule.ending(request));
      const line: ResultLine = { custom_id: stored.custom_id, result };
      yield `${JSON.stringify(line)}\n`;
    }
  } finally {
    closeSync(fd);
  }
}

function resultOf(batch: Batch, stored: StoredRequest, ending: Ending): Result {
  const { custom_id: customId, outcome, params } = stored;
  if (ending === 'errored' && outcome.type === 'errored') {
    const message =
      outcome.message ?? `The emulator was told to fail this request with ${outcome.errorType}.`;
    // The API gives a request id with some errors only.
    const known = new Random(batch.seed, customId, 'request-id').next() < 0.75;
    const requestId = known ? derivedId('req', batch.id, customId) : null;
    return { type: 'errored', error: errorBody(outcome.errorType, message, requestId) };
  }
  if (ending === 'succeeded' && outcome.type === 'succeeded') {
    return {
      type: 'succeeded',
      message: answer({ batchId: batch.id, customId, params, seed: batch.seed, outcome }),
    };
  }
  return { type: ending === 'canceled' ? 'canceled' : 'expired' };
}

interface Sending {
  /** Pause after every line; asked for each time, since it may change on the way. */
  delayMs: () => number;
  fault: StreamFault | undefined;
  /** Aborted when the connection is gone. */
  gone: AbortSignal;
}

/** Sends lines no faster than the client takes them. Returns what became of the answer; ending the body is left to the caller. */
export async function sendLines(
  res: ServerResponse,
  lines: Iterable<string>,
  { delayMs, fault, gone }: Sending,
): Promise<'complete' | 'cut' | 'client-gone'> {
  let [held, count] = ['', 0];
  res.flushHeaders();
  try {
    for (const line of lines) {
      if (fault && count === fault.afterLines) {
        await write(
          res,
          fault.kind === 'reset-mid-line' ? held + line.slice(0, line.length / 2) : held,
          gone,
        );
        return 'cut';
      }
      held += line;
      count += 1;
      const delay = delayMs();
      if (held.length < CHUNK && delay === 0) continue;
      await write(res, held, gone);
      held = '';
      if (delay > 0) await setTimeout(delay, undefined, { signal: gone });
    }
    await write(res, held, gone);
  } catch (error) {
    if (gone.aborted) return 'client-gone';
    throw error;
  }
  return fault ? 'cut' : 'complete';
}

async function write(res: ServerResponse, text: string, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted();
  if (text !== '' && !res.write(text)) await once(res, 'drain', { signal: gone });
  // Making lines never waits for anything: without this, other requests would.
  await setImmediate();
}
