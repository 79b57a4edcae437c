import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromFeed, runBatches, startServer, type TestServer } from '../harness/http.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const ENQUEUE =
  'mutation { enqueueJob(input: { type: RISK_REPORT, payload: {} }) { ... on EnqueueJobSuccess { job { id } } } }';
const enqueue = async () =>
  (await server.ask<{ enqueueJob: { job: { id: string } } }>(ENQUEUE)).data.enqueueJob.job.id;

interface Update {
  kind: string;
  gap: boolean;
  version: number;
  status: string;
  cursor: string;
  job: { status: string };
}
const WATCH =
  'subscription ($id: ID!, $after: String) { jobUpdated(id: $id, after: $after) { kind gap version status cursor job { status } } }';

describe('jobUpdated over a WebSocket', () => {
  test('opens with the state, then tells each change in the order of versions', async () => {
    const id = await enqueue();
    const updates = server.socket().iterate<{ jobUpdated: Update }>({ query: WATCH, variables: { id } });
    const next = async () => (await updates.next()).value?.data?.jobUpdated as Update;
    expect(await next()).toMatchObject({
      kind: 'SNAPSHOT',
      gap: false,
      version: 1,
      status: 'PENDING',
      job: { status: 'PENDING' },
    });
    await runBatches(server.offpeak);
    const changes = [await fromFeed(server.offpeak, next())];
    if (changes[0]?.status !== 'COMPLETED') changes.push(await fromFeed(server.offpeak, next()));
    expect(changes.at(-1)).toMatchObject({
      kind: 'CHANGED',
      version: 3,
      status: 'COMPLETED',
      job: { status: 'COMPLETED' },
    });
    await updates.return?.(undefined);
  });

  test('resumes by its cursor without a gap, and admits one for a cursor that the log does not know', async () => {
    const id = await enqueue();
    const first = async (after?: string) => {
      const updates = server
        .socket()
        .iterate<{ jobUpdated: Update }>({ query: WATCH, variables: { id, after } });
      const { value } = await updates.next();
      await updates.return?.(undefined);
      return value?.data?.jobUpdated as Update;
    };
    await server.offpeak.feed.tick();
    const { cursor } = await first();
    expect(await first(cursor)).toMatchObject({ kind: 'SNAPSHOT', gap: false });
    expect(await first('nonsense')).toMatchObject({ kind: 'SNAPSHOT', gap: true });
    expect(await first(Buffer.from('99.1.1').toString('base64url'))).toMatchObject({ gap: true });
  });

  test('tells nothing of another tenant’s job', async () => {
    const id = await enqueue();
    const stranger = await server.offpeak.token('stranger');
    const updates = server
      .socket({ authorization: `Bearer ${stranger}` })
      .iterate({ query: WATCH, variables: { id } });
    await expect(updates.next()).resolves.toMatchObject({
      value: { errors: [{ message: 'Job not found' }] },
    });
  });

  test('leaves no subscription behind when the client goes', async () => {
    const updates = server.socket().iterate({ query: WATCH, variables: { id: await enqueue() } });
    await updates.next();
    expect(server.offpeak.core.hub.size).toBeGreaterThan(0);
    await updates.return?.(undefined);
    await expect.poll(() => server.offpeak.core.hub.size).toBe(0);
  });

  test('a syntax error in one operation leaves the others of the socket alone', async () => {
    const client = server.socket();
    const updates = client.iterate<{ jobUpdated: Update }>({
      query: WATCH,
      variables: { id: await enqueue() },
    });
    await updates.next();
    await expect(client.iterate({ query: 'subscription {' }).next()).rejects.toMatchObject([
      { message: expect.stringContaining('Syntax Error') },
    ]);
    await runBatches(server.offpeak);
    expect((await fromFeed(server.offpeak, updates.next())).value?.data).toMatchObject({
      jobUpdated: { kind: 'CHANGED' },
    });
    await updates.return?.(undefined);
  });

  test('a socket without a valid key is closed with 4403', async () => {
    for (const params of [{}, { authorization: 'Bearer nonsense' }]) {
      const updates = server.socket(params).iterate({ query: '{ __typename }' });
      await expect(updates.next()).rejects.toMatchObject({ code: 4403 });
    }
  });
});

test('jobUpdated comes as server-sent events too', async () => {
  const id = await enqueue();
  const abort = new AbortController();
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${server.token}`,
    },
    body: JSON.stringify({ query: WATCH, variables: { id } }),
    signal: abort.signal,
  });
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes('SNAPSHOT')) break;
  }
  expect(text).toContain('"status":"PENDING"');
  abort.abort();
  await expect.poll(() => server.offpeak.core.hub.size).toBe(0);
});

describe('GraphQL over HTTP', () => {
  test('answers __typename to anybody, and 401 to whoever asks for more without a key', async () => {
    expect(await server.ask('{ __typename }', {}, null)).toEqual({
      status: 200,
      data: { __typename: 'Query' },
    });
    expect(await server.ask('{ stats { totalJobs } }', {}, null)).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });

  test.each([
    ['application/x-www-form-urlencoded', 'query=mutation{flushJobs(input:{}){__typename}}', 415],
    ['multipart/form-data; boundary=x', '--x--', 415],
    ['text/plain', '{"query":"{__typename}"}', 415],
    ['application/json', '{"query":', 400],
    ['application/json', '[1]', 400],
  ])('refuses a body of type %s: %s', async (type, body, status) => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': type, authorization: `Bearer ${server.token}` },
      body,
    });
    expect(response.status).toBe(status);
  });

  test('hides a fault of the server behind an id that the log knows', async () => {
    await server.offpeak.db.$executeRaw`ALTER TABLE job_count RENAME TO job_count_away`;
    try {
      const { errors } = await server.ask('{ stats { totalJobs } }');
      const [error] = errors!;
      expect(error).toMatchObject({
        message: expect.stringMatching(/^Something went wrong here; error/),
        extensions: { code: 'INTERNAL' },
      });
      expect(JSON.stringify(errors)).not.toContain('job_count');
      expect(
        server.offpeak.log.some(
          ({ fields }) => 'errorId' in fields && fields.errorId === error?.extensions?.errorId,
        ),
      ).toBe(true);
    } finally {
      await server.offpeak.db.$executeRaw`ALTER TABLE job_count_away RENAME TO job_count`;
    }
  });

  test('says that an id is not one of this API', async () => {
    expect((await server.ask('{ node(id: "nonsense") { id } }')).errors?.[0]).toMatchObject({
      message: expect.stringContaining('is not an id of this API'),
      extensions: { code: 'VALIDATION' },
    });
  });

  test('GraphiQL comes from here, with no script of another host', async () => {
    const page = await (await fetch(`${server.url}/graphql`, { headers: { accept: 'text/html' } })).text();
    expect(page).toContain('GraphiQL');
    expect(page).not.toMatch(/<(script|link)[^>]+(src|href)="?https?:/);
  });
});

test('the pages that need no key say what this is and that it is simulated', async () => {
  expect(await (await fetch(`${server.url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect(await (await fetch(`${server.url}/readyz`)).json()).toEqual({ status: 'ready', simulated: true });
  expect(await (await fetch(server.url)).text()).toContain('SIMULATED');
});

describe('an upgrade that is not for our WebSocket', () => {
  /** Sends raw bytes and gives back what comes until the connection ends, or the answer's head has come. */
  function exchange(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(server.url);
      const socket = connect(Number(port), hostname, () => socket.write(request));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
        if (text.includes('\r\n\r\n')) socket.destroy();
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
  }
  const upgrade = (path: string, protocol: string) =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;

  test('is answered as an ordinary request when a client offers HTTP/2', async () => {
    expect(await exchange(upgrade('/healthz', 'h2c'))).toContain('HTTP/1.1 200 OK');
  });

  test.each(['//', '/elsewhere', '/graphql/x'])('to %s is answered, whatever the path', async (path) => {
    expect(await exchange(upgrade(path, 'websocket'))).toMatch(/^HTTP\/1\.1 4/);
  });

  test('may be broken off at once without harm to the server', async () => {
    const { hostname, port } = new URL(server.url);
    for (let n = 0; n < 20; n += 1) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(upgrade(n % 2 ? '/elsewhere' : '/graphql', 'websocket'));
      socket.resetAndDestroy();
    }
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });
});
