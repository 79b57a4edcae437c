import type { ServerResponse } from 'node:http';
import { ApiError, errorBody, errorTypeOf } from './errors.ts';
import type { FaultAction } from './faults.ts';

/** What a route wants to say. Objects are sent as JSON; an iterable is sent line by line as JSONL. */
export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body: object | string;
  /** Lines of a results body, instead of `body`. */
  lines?: Iterable<string>;
}

// What stands in front of the API refuses bodies that are too large, and it does not speak JSON.
const TOO_LARGE = `<html>
<head><title>413 Request Entity Too Large</title></head>
<body><center><h1>413 Request Entity Too Large</h1></center></body>
</html>
`;

/** Turns whatever a route threw into an answer; what is no refusal of ours is a 500. */
export function errorReply(error: unknown, requestId: string): Reply {
  if (!(error instanceof ApiError)) {
    const message = error instanceof Error ? error.message : String(error);
    return { status: 500, body: errorBody('api_error', `The emulator failed: ${message}`, requestId) };
  }
  if (error.status === 413) return { status: 413, headers: { 'content-type': 'text/html' }, body: TOO_LARGE };
  return {
    status: error.status,
    body: errorBody(errorTypeOf(error.status), error.message, requestId, error.details),
  };
}

/** The answer a status fault asks for. */
export function faultReply(fault: Extract<FaultAction, { status: number }>, requestId: string): Reply {
  const message = `The emulator was told to answer ${fault.status}.`;
  const body = fault.body ?? errorBody(errorTypeOf(fault.status), message, requestId);
  return { status: fault.status, headers: fault.headers ?? {}, body };
}

/** Sends everything but lines. */
export function sendReply(res: ServerResponse, reply: Reply): void {
  const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body);
  const type = typeof reply.body === 'string' ? 'text/plain' : 'application/json';
  res.writeHead(reply.status, {
    'content-type': type,
    'content-length': String(Buffer.byteLength(text)),
    ...reply.headers,
  });
  res.end(text);
}
