import type { IncomingMessage } from 'node:http';
import { refusal, unprocessable, type Answer } from './answers.ts';
import { decodeJson } from './validation/encoding.ts';
import { JsonSyntaxError, parseJson } from './validation/json.ts';

/** Bodies up to here are read from anybody, so that a mistake in JSON is told before a missing key is. */
export const OPEN_BYTES = 64 * 1024;

/** The client went away before its body was complete; nobody waits for an answer. */
export class AbortedError extends Error {
  override name = 'AbortedError';
}

/** How a request announces its body. */
export function declaredBytes(request: IncomingMessage): number {
  return Number(request.headers['content-length'] ?? 0);
}

/**
 * Reads on until the body ends or exceeds the limit, and says which. What is read is added to `chunks`, so that a
 * caller can read a first part, look at the credentials, and then go on.
 */
export function readUpTo(
  request: IncomingMessage,
  limit: number,
  chunks: Buffer[],
): Promise<'complete' | 'more'> {
  let bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (request.readableEnded) return Promise.resolve('complete');
  // Gone while the credentials were looked up: no event would ever come.
  if (request.destroyed) return Promise.reject(new AbortedError('the client went away'));
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => () => {
      request.off('data', take).off('end', complete).off('error', abort).off('close', abort);
      end();
    };
    const complete = settle(() => resolve('complete'));
    const abort = settle(() => reject(new AbortedError('the client went away')));
    const full = settle(() => resolve('more'));
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= limit) return;
      request.pause();
      full();
    };
    request.on('data', take).on('end', complete).on('error', abort).on('close', abort);
    request.resume();
  });
}

/** The value of a body, or the answer to one that cannot be read. Undefined for an empty body. */
export function parseBody(
  bytes: Buffer,
  contentType: string | undefined,
): { value: unknown } | { answer: Answer } {
  if (bytes.length === 0) return { value: undefined };
  // Not announced as JSON, it stays a string, which no model is; without any type it counts as JSON.
  if (!isJson(contentType)) return { value: bytes.toString() };
  const text = decodeJson(bytes);
  if (text === undefined) return { answer: unreadable };
  try {
    return { value: parseJson(text) };
  } catch (error) {
    return { answer: error instanceof JsonSyntaxError ? jsonInvalid(error) : unreadable };
  }
}

const unreadable = refusal(400, 'There was an error parsing the body');

function jsonInvalid({ position, message }: JsonSyntaxError): Answer {
  return unprocessable([
    {
      type: 'json_invalid',
      loc: ['body', position],
      msg: 'JSON decode error',
      input: {},
      ctx: { error: message },
    },
  ]);
}

function isJson(contentType: string | undefined): boolean {
  if (!contentType) return true;
  const type = contentType.split(';')[0]!.trim().toLowerCase();
  return /^application\/([^/]*\+)?json$/.test(type);
}
