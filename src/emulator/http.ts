import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { timestamp } from './clock.ts';
import { authenticate, readContext } from './credentials.ts';
import type { Emulator } from './emulator.ts';
import { ApiError } from './errors.ts';
import { isStreamFault, type FaultAction } from './faults.ts';
import { randomId } from './ids.ts';
import { errorReply, faultReply, sendReply, type Reply } from './reply.ts';
import type { LoggedRequest } from './request-log.ts';
import { sendLines } from './results.ts';
import { ROUTES, type Route } from './routes.ts';

interface Exchange {
  emulator: Emulator;
  req: IncomingMessage;
  res: ServerResponse;
  url: URL;
  requestId: string;
  entry: LoggedRequest;
  /** Aborted when the connection is gone. */
  gone: AbortSignal;
}

/** Answers one request to a provider route, with the fault that is due, and logs it. */
export async function serveProvider(
  emulator: Emulator,
  req: IncomingMessage,
  res: ServerResponse,
  url: URL,
): Promise<void> {
  const requestId = randomId('req');
  res.setHeader('request-id', requestId);
  const left = new AbortController();
  res.once('close', () => left.abort());
  const [method, path] = [req.method ?? 'GET', url.pathname];
  const time = timestamp(emulator.clock.now());
  const entry: LoggedRequest = {
    time,
    method,
    path,
    route: null,
    workspace: null,
    request_id: requestId,
    status: null,
    outcome: 'answered',
    batch_id: null,
    request_count: null,
    custom_ids: null,
  };
  const exchange = { emulator, req, res, url, requestId, entry, gone: left.signal };
  const route = ROUTES.find((candidate) => candidate.method === method && candidate.pattern.test(path));
  if (!route) return send(exchange, errorReply(noRoute(method, path), requestId));
  entry.route = route.name;
  const fault = emulator.faults.strike(route.name);
  if (fault) entry.outcome = fault.kind;
  if (fault?.kind === 'reset-before') return cut(exchange);
  if (fault?.kind === 'status') return send(exchange, faultReply(fault, requestId));
  const reply = await work(exchange, route);
  if (reply) await answer(exchange, reply, fault);
}

/** Does what the route asks; undefined if the client left before its request was complete. */
async function work(exchange: Exchange, route: Route): Promise<Reply | undefined> {
  const { emulator, req, res, url, requestId, entry, gone } = exchange;
  try {
    const account = authenticate(req, emulator.dir.instanceId);
    res.setHeader('anthropic-organization-id', account.organization);
    res.setHeader('anthropic-workspace-id', account.workspace);
    entry.workspace = account.workspace;
    const id = route.pattern.exec(url.pathname)?.[1] ?? '';
    entry.batch_id = id === '' ? null : id;
    return await route.handle({
      emulator,
      id,
      workspace: account.workspace,
      context: readContext(req),
      query: url.searchParams,
      origin: url.origin,
      readBody: (maxBytes) => readBody(req, maxBytes),
      note: ({ batchId, customIds }) => {
        if (batchId !== undefined) entry.batch_id = batchId;
        if (customIds) [entry.custom_ids, entry.request_count] = [customIds, customIds.length];
      },
    });
  } catch (error) {
    if (!gone.aborted) return errorReply(error, requestId);
    entry.outcome = 'client-gone';
    emulator.log.append(entry);
    return undefined;
  }
}

async function answer(exchange: Exchange, reply: Reply, fault: FaultAction | undefined): Promise<void> {
  if (fault?.kind === 'reset-after') return cut(exchange);
  if (fault?.kind === 'status-after') return send(exchange, faultReply(fault, exchange.requestId));
  if (fault?.kind === 'delay') {
    await setTimeout(fault.ms, undefined, { signal: exchange.gone }).catch(() => undefined);
  }
  if (!reply.lines) return send(exchange, reply);
  return sendResults(exchange, reply, reply.lines, fault);
}

function send({ emulator, req, res, entry }: Exchange, reply: Reply): void {
  entry.status = reply.status;
  emulator.log.append(entry);
  // A body nobody wants is read and dropped: a client that is still sending would not see the answer otherwise.
  req.resume();
  sendReply(res, reply);
}

function cut({ emulator, req, entry }: Exchange): void {
  emulator.log.append(entry);
  req.socket.resetAndDestroy();
}

/** Sends a results body. It is logged when it is over, since only then its outcome is known. */
async function sendResults(
  exchange: Exchange,
  reply: Reply,
  lines: Iterable<string>,
  fault: FaultAction | undefined,
): Promise<void> {
  const { emulator, res, entry, gone } = exchange;
  entry.status = reply.status;
  res.writeHead(reply.status, reply.headers);
  const streamFault = isStreamFault(fault) ? fault : undefined;
  const delayMs = () => emulator.resultsDelayMs;
  const end = await sendLines(res, lines, { delayMs, fault: streamFault, gone }).catch(() => 'cut' as const);
  if (end === 'client-gone') entry.outcome = 'client-gone';
  emulator.log.append(entry);
  // Not a reset: that could take lines with it which the client has not read yet.
  if (end === 'cut' && streamFault?.kind !== 'clean-early-end') res.destroy();
  else res.end();
}

/** The wrong method on a known path is refused with 405, a choice. */
function noRoute(method: string, path: string): ApiError {
  const known = ROUTES.some((route) => route.pattern.test(path));
  return known
    ? new ApiError(405, `Method not allowed: ${method} ${path}`)
    : new ApiError(404, `Not found: ${path}`);
}

/** Reads a request body of at most that many bytes; a longer one is refused with 413, by its length alone if it names one. */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (req.headers['content-encoding'] !== undefined) {
    throw new ApiError(400, 'Content-Encoding is not supported', {
      error_code: 'request_body_encoding_unsupported',
    });
  }
  if (Number(req.headers['content-length'] ?? 0) > maxBytes)
    throw new ApiError(413, 'Request body too large');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new ApiError(413, 'Request body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
