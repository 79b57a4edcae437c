import type { Batch } from './batches.ts';
import type { Emulator } from './emulator.ts';
import { parseJson, readEnvelope } from './envelope.ts';
import { ApiError } from './errors.ts';
import type { FaultRoute } from './faults.ts';
import { paramsProblem, type CreateContext } from './params.ts';
import type { Reply } from './reply.ts';
import { resultLines } from './results.ts';
import { inputTokens } from './usage.ts';
import { isObject } from './wire.ts';

/** One authenticated request to a provider route. */
export interface Call {
  emulator: Emulator;
  workspace: string;
  /** Batch id of the path; empty on routes without one. */
  id: string;
  query: URLSearchParams;
  /** The emulator's own URL as the client spells it. */
  origin: string;
  context: CreateContext;
  readBody: (maxBytes: number) => Promise<Buffer>;
  /** Tells the request log about a create. */
  note: (facts: { batchId?: string; customIds?: string[] }) => void;
}

export interface Route {
  name: FaultRoute;
  method: string;
  pattern: RegExp;
  handle: (call: Call) => Promise<Reply> | Reply;
}

/** Limit of a token count's body. */
const COUNT_TOKENS_BYTES = 32_000_000;

/** The provider's routes. Queries are not part of the pattern, so `?beta=true` is ignored. */
export const ROUTES: Route[] = [
  { name: 'create', method: 'POST', pattern: /^\/v1\/messages\/batches$/, handle: create },
  { name: 'list', method: 'GET', pattern: /^\/v1\/messages\/batches$/, handle: list },
  { name: 'retrieve', method: 'GET', pattern: /^\/v1\/messages\/batches\/([^/]+)$/, handle: retrieve },
  { name: 'delete', method: 'DELETE', pattern: /^\/v1\/messages\/batches\/([^/]+)$/, handle: remove },
  { name: 'cancel', method: 'POST', pattern: /^\/v1\/messages\/batches\/([^/]+)\/cancel$/, handle: cancel },
  { name: 'results', method: 'GET', pattern: /^\/v1\/messages\/batches\/([^/]+)\/results$/, handle: results },
  { name: 'count_tokens', method: 'POST', pattern: /^\/v1\/messages\/count_tokens$/, handle: countTokens },
];

async function create(call: Call): Promise<Reply> {
  const { emulator, workspace, context } = call;
  const body = await call.readBody(emulator.maxBodyBytes);
  const items = readEnvelope(body.toString());
  call.note({ customIds: items.map((item) => item.custom_id) });
  const batch = await emulator.batches.create(workspace, items, emulator.seed, body.length, context);
  call.note({ batchId: batch.id });
  return shown(call, batch);
}

function list(call: Call): Reply {
  const { emulator, workspace, query } = call;
  const [afterId, beforeId] = [query.get('after_id'), query.get('before_id')];
  // A choice: what the API does with both is not documented.
  if (afterId !== null && beforeId !== null) {
    throw new ApiError(400, 'after_id, before_id: only one of them may be given');
  }
  const page = {
    limit: readLimit(query.get('limit')),
    ...(afterId !== null && { afterId }),
    ...(beforeId !== null && { beforeId }),
  };
  const { batches, hasMore } = emulator.batches.list(workspace, page);
  return {
    status: 200,
    body: {
      data: batches.map((batch) => emulator.batches.view(batch, call.origin)),
      has_more: hasMore,
      first_id: batches.at(0)?.id ?? null,
      last_id: batches.at(-1)?.id ?? null,
    },
  };
}

function readLimit(text: string | null): number {
  if (text === null) return 20;
  if (!/^-?\d+$/.test(text)) {
    throw new ApiError(400, 'limit: Input should be a valid integer, unable to parse string as an integer');
  }
  const limit = Number(text);
  if (limit < 1) throw new ApiError(400, 'limit: Input should be greater than or equal to 1');
  if (limit > 1000) throw new ApiError(400, 'limit: Input should be less than or equal to 1000');
  return limit;
}

function retrieve(call: Call): Reply {
  return shown(call, found(call));
}

async function cancel(call: Call): Promise<Reply> {
  const batch = found(call);
  await call.emulator.batches.cancel(batch);
  return shown(call, batch);
}

async function remove(call: Call): Promise<Reply> {
  const batch = found(call);
  await call.emulator.batches.delete(batch);
  return { status: 200, body: { id: batch.id, type: 'message_batch_deleted' } };
}

function results(call: Call): Reply {
  const lines = resultLines(call.emulator.batches, found(call));
  return { status: 200, headers: { 'content-type': 'application/x-jsonl' }, body: '', lines };
}

/** The same judgement as for a batch's request, but at once; `max_tokens` is not part of this call. */
async function countTokens(call: Call): Promise<Reply> {
  const body = await call.readBody(COUNT_TOKENS_BYTES);
  const params = parseJson(body.toString());
  if (!isObject(params)) throw new ApiError(400, 'Input should be an object');
  const problem = paramsProblem({ ...params, max_tokens: 1 }, call.context);
  if (problem) throw new ApiError(problem.type === 'not_found_error' ? 404 : 400, problem.message);
  return { status: 200, body: { input_tokens: inputTokens(params) } };
}

function found(call: Call): Batch {
  return call.emulator.batches.find(call.workspace, call.id);
}

function shown(call: Call, batch: Batch): Reply {
  return { status: 200, body: call.emulator.batches.view(batch, call.origin) };
}
