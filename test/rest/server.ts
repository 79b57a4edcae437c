import { once } from 'node:events';
import { createServer, request as send, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { authenticate } from '../../src/http/auth.ts';
import { createRest, docsHandler, notFoundHandler } from '../../src/rest/index.ts';
import type { Core } from '../../src/core/index.ts';

export const PREFIX = '/api/v1/batch';

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body as JSON; undefined when there is none. */
  json: any;
}

export interface Sent {
  method?: string;
  /** Whole, as it goes over the wire. */
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer | undefined;
}

export interface RestServer extends AsyncDisposable {
  url: string;
  /** Sends one request as it is: no header is added but Host and the length of the body. */
  send(sent: Sent): Promise<Reply>;
}

/** One caller: sends JSON below the prefix with its own token. */
export type Caller = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Reply>;

/** A body that is a string goes out as it is. */
export function callAs(rest: RestServer, token: string): Caller {
  return (method, path, body, headers) =>
    rest.send({
      method,
      path: PREFIX + path,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' || body === undefined ? body : JSON.stringify(body),
    });
}

/** The legacy endpoints over loopback. */
export async function serveRest(core: Core): Promise<RestServer> {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('case sensitive routing', true).set('strict routing', true);
  app.use(docsHandler);
  app.use(PREFIX, createRest({ core, authenticate: (header) => authenticate(core, header) }));
  app.use(notFoundHandler);
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    send: (sent) => exchange(port, sent),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function exchange(port: number, { method = 'GET', path, headers = {}, body }: Sent): Promise<Reply> {
  const length = body ? { 'content-length': String(Buffer.byteLength(body)) } : {};
  const outgoing = send({
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: { ...headers, ...length },
    agent: false,
  });
  outgoing.end(body);
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks = await incoming.toArray();
  const text = Buffer.concat(chunks as Buffer[]).toString();
  const isJson = incoming.headers['content-type'] === 'application/json' && text !== '';
  return {
    status: incoming.statusCode!,
    headers: incoming.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}
