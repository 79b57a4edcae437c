import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { serve } from '../../src/http/server.ts';
import { startOffpeak, type TestOffpeak, type TestOptions } from './offpeak.ts';

interface Answer<T> {
  status: number;
  data: T;
  errors?: { message: string; path?: string[]; extensions?: { code?: string; errorId?: string } }[];
}

/** The whole product with its HTTP server, and a caller with every scope. */
export interface TestServer extends AsyncDisposable {
  offpeak: TestOffpeak;
  url: string;
  token: string;
  /** One GraphQL request by POST; `token` may be another caller's, or null for none. */
  ask<T>(query: string, variables?: object, token?: string | null): Promise<Answer<T>>;
  /** A WebSocket client that does not try again. */
  socket(connectionParams?: Record<string, unknown>): Client;
}

export async function startServer(options: TestOptions = {}): Promise<TestServer> {
  const offpeak = await startOffpeak(options);
  const server = await serve({
    core: offpeak.core,
    simulated: true,
    ready: () => Promise.resolve(true),
    host: '127.0.0.1',
    port: 0,
  });
  const { url } = server;
  const own = await offpeak.token();
  const clients: Client[] = [];
  return {
    offpeak,
    url,
    token: own,
    async ask<T>(query: string, variables: object = {}, token: string | null = own): Promise<Answer<T>> {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify({ query, variables }),
      });
      return { status: response.status, ...((await response.json()) as Omit<Answer<T>, 'status'>) };
    },
    socket(connectionParams = { authorization: `Bearer ${own}` }) {
      const client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams,
        retryAttempts: 0,
      });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.dispose();
      await server.close();
      await offpeak[Symbol.asyncDispose]();
    },
  };
}

/** Ends every batch of the emulator: more than the ten minutes that its slowest request takes. */
export const BATCH_TIME = 3_600_000;

/** Flush, submit, let the provider finish, book: everything due goes all the way. */
export async function runBatches(offpeak: TestOffpeak): Promise<void> {
  for (const due of await offpeak.db.tenant.findMany({ select: { id: true } })) {
    await offpeak.core.sealBatch({ tenantId: due.id, reason: 'manual' });
  }
  await offpeak.worker.submit();
  await offpeak.emulator.advance(BATCH_TIME);
  await offpeak.worker.poll();
  await offpeak.worker.ingest();
}

/**
 * Waits for what the feed has to bring, reading the log again and again: the log is read up to the oldest open
 * transaction of the whole cluster, and other files' tests write in it too.
 */
export async function fromFeed<T>({ feed }: TestOffpeak, awaited: Promise<T>): Promise<T> {
  const state = { settled: false };
  const settle = () => (state.settled = true);
  awaited.then(settle, settle);
  while (!state.settled) {
    await feed.tick();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return awaited;
}
