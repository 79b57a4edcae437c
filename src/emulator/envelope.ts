import { ApiError } from './errors.ts';
import { isObject, type JsonObject } from './wire.ts';

export const MAX_REQUESTS = 100_000;
const CUSTOM_ID = /^[a-zA-Z0-9_-]+$/;
const ITEM_KEYS = new Set(['custom_id', 'params']);

export interface BatchItem {
  custom_id: string;
  params: JsonObject;
}

/**
 * Checks what the API checks before it answers a create: the envelope, never the inside of `params`.
 * The first mistake is the one reported. That duplicates, extra keys and params that are no object
 * are refused here rather than later is a choice; the API's behaviour is not documented.
 */
export function readEnvelope(text: string): BatchItem[] {
  const body = parseJson(text);
  if (!isObject(body)) throw invalid('Input should be an object');
  const requests = body['requests'];
  if (requests === undefined) throw invalid('requests: Field required');
  if (!Array.isArray(requests)) throw invalid('requests: Input should be a valid list');
  if (requests.length === 0)
    throw invalid('requests: List should have at least 1 item after validation, not 0');
  if (requests.length > MAX_REQUESTS) {
    throw invalid(
      `requests: List should have at most ${MAX_REQUESTS} items after validation, not ${requests.length}`,
    );
  }
  const seen = new Set<string>();
  requests.forEach((item, index) => checkItem(item, index, seen));
  for (const key of Object.keys(body)) {
    if (key !== 'requests') throw invalid(`${key}: Extra inputs are not permitted`);
  }
  return requests as unknown as BatchItem[];
}

/** Parses a JSON body or refuses it with 400. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`The request body is not valid JSON: ${(cause as Error).message.slice(0, 200)}`);
  }
}

function checkItem(item: unknown, index: number, seen: Set<string>): void {
  const at = `requests.${index}`;
  if (!isObject(item)) throw invalid(`${at}: Input should be a valid dictionary`);
  const id = item['custom_id'];
  if (id === undefined) throw invalid(`${at}.custom_id: Field required`);
  if (typeof id !== 'string') throw invalid(`${at}.custom_id: Input should be a valid string`);
  if (id.length < 1) throw invalid(`${at}.custom_id: String should have at least 1 character`);
  if (id.length > 64) throw invalid(`${at}.custom_id: String should have at most 64 characters`);
  if (!CUSTOM_ID.test(id)) {
    throw invalid(`${at}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`);
  }
  if (seen.has(id)) throw invalid(`${at}.custom_id: custom_id must be unique within the batch: ${id}`);
  seen.add(id);
  if (item['params'] === undefined) throw invalid(`${at}.params: Field required`);
  if (!isObject(item['params'])) throw invalid(`${at}.params: Input should be a valid dictionary`);
  for (const key of Object.keys(item)) {
    if (!ITEM_KEYS.has(key)) throw invalid(`${at}.${key}: Extra inputs are not permitted`);
  }
}

function invalid(message: string): ApiError {
  return new ApiError(400, message);
}
