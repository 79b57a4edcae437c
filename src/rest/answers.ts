import type { ServerResponse } from 'node:http';
import type { Problem } from './validation/problems.ts';

/** An answer before it is written. */
export interface Answer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, instead of a body; the headers say what it is. */
  text?: string;
}

/** 200 with a JSON body. */
export function ok(body: unknown, headers?: Readonly<Record<string, string>>): Answer {
  return { status: 200, body, ...(headers && { headers }) };
}

/** An error in the legacy form: `{"detail": …}`. */
export function refusal(status: number, detail: unknown, headers?: Readonly<Record<string, string>>): Answer {
  return { status, body: { detail }, ...(headers && { headers }) };
}

/** 422 with a row for each problem. */
export function unprocessable(problems: readonly Problem[]): Answer {
  return refusal(422, problems);
}

/** 401; the token was missing, or is not valid. */
export function unauthorized(detail: 'Not authenticated' | 'Invalid token'): Answer {
  return refusal(401, detail, { 'www-authenticate': 'Bearer' });
}

export const notFound: Answer = refusal(404, 'Not Found');

/** A fault of ours; the log says more. Not JSON, as it was. */
export const fault: Answer = {
  status: 500,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  text: 'Internal Server Error',
};

/**
 * Writes an answer: compact JSON without a charset, and nothing that Express would add. As a string, not as bytes: when
 * requests come pipelined, Node puts the "100 Continue" that one of them asks for between its head and such a body.
 */
export function send(response: ServerResponse, { status, headers, body, text }: Answer): void {
  const content = text ?? (body === undefined ? '' : JSON.stringify(body));
  response.writeHead(status, {
    ...(body !== undefined && { 'content-type': 'application/json' }),
    'content-length': Buffer.byteLength(content),
    ...headers,
  });
  response.end(content);
}
