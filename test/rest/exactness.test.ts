import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOffpeak, type TestOffpeak } from '../harness/offpeak.ts';
import { callAs, PREFIX, serveRest, type Caller, type RestServer } from './server.ts';

let offpeak: TestOffpeak;
let rest: RestServer;
let token: string;
let call: Caller;

beforeAll(async () => {
  // A limit that an escaped text exceeds when it is put into a request and so escaped again.
  offpeak = await startOffpeak({ policy: { batchBytes: 12_000_000 } });
  rest = await serveRest(offpeak.core);
  token = await offpeak.token();
  call = callAs(rest, token);
});
afterAll(async () => {
  await rest[Symbol.asyncDispose]();
  await offpeak[Symbol.asyncDispose]();
});

const enqueue = (payload: string) =>
  call('POST', '/enqueue', `{"job_type": "risk_report", "payload": ${payload}}`);

/** The payload as the database holds it, which is the text that the provider gets. */
async function stored(id: string): Promise<string> {
  const list = await offpeak.db.jobPayload.findMany({ orderBy: { jobId: 'desc' }, take: 1 });
  expect(id).toMatch(/^job_/);
  return list[0]!.payload;
}

describe('a payload', () => {
  test.each([
    '{"a":12345678901234567890,"b":1.0,"c":1e2,"d":-0,"e":-0.0,"f":0.1000,"g":1E+2}',
    `{"a":${'9'.repeat(300)}}`,
    '{"a":"\\u0000","b":"\\ud800","c":"😀é\\u2028","d":"\\\\\\""}',
    '{"__proto__":{"x":1},"constructor":2}',
    '{"a":{"b":[[],{},null,true,""]}}',
  ])('is stored as it came: %s', async (payload) => {
    const { status, json } = await enqueue(payload);
    expect(status).toBe(200);
    expect(await stored(json.job.id)).toBe(payload.replace('\\u2028', '\u2028'));
  });

  test.each([
    ['{"a":[1,{"b":1e400}]}', ['a', 1, 'b']],
    ['{"a":NaN}', ['a']],
    ['{"x":1,"a":-Infinity}', ['a']],
  ])('with a number that nobody can read is refused: %s', async (payload, place) => {
    const { status, json } = await enqueue(payload);
    expect(status).toBe(422);
    expect(json.detail).toEqual([
      {
        type: 'finite_number',
        loc: ['body', 'payload', ...place],
        msg: 'Input should be a finite number',
        input: null,
      },
    ]);
  });

  test('may be nested deep, and is refused when nested too deep', async () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect((await enqueue(nested(900))).status).toBe(200);
    for (const depth of [1000, 30_000]) {
      const { status, json } = await enqueue(nested(depth));
      expect([status, json]).toEqual([400, { detail: 'There was an error parsing the body' }]);
    }
  });

  test('of five megabytes is stored', async () => {
    const payload = `{"numbers":[${'1.50,'.repeat(500_000)}1],"text":"${'é'.repeat(1_250_000)}"}`;
    const { status, json } = await enqueue(payload);
    expect(status).toBe(200);
    expect((await stored(json.job.id)) === payload).toBe(true);
  });

  test('that no batch can hold is refused', async () => {
    const { status, json } = await enqueue(`{"text":"${'\\n'.repeat(4_500_000)}"}`);
    expect(status).toBe(413);
    expect(json.detail).toMatchObject({ code: 'TOO_LARGE' });
  });
});

describe('a body', () => {
  const enqueueHeaders = { 'content-type': 'application/json' };

  test('beyond the limit is refused unread', async () => {
    const socket = connect(Number(new URL(rest.url).port), '127.0.0.1');
    socket.write(
      `POST ${PREFIX}/enqueue HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 10000001\r\n\r\n{`,
    );
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toMatch(/^HTTP\/1.1 413 /);
    expect(data.toString()).toMatch(/\{"detail":"Content Too Large"\}$/);
    socket.destroy();
  });

  test.each([
    ['announced as large', 'Content-Length: 65537\r\n\r\n{'],
    ['large and chunked', `Transfer-Encoding: chunked\r\n\r\n10001\r\n{${'x'.repeat(0x10000)}\r\n`],
  ])('%s is not waited for without credentials', async (_name, rest_) => {
    const socket = connect(Number(new URL(rest.url).port), '127.0.0.1');
    socket.write(`POST ${PREFIX}/enqueue HTTP/1.1\r\nHost: x\r\n${rest_}`);
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toMatch(/^HTTP\/1.1 401 /);
    socket.destroy();
  });

  test('that is not JSON is told before a missing token, up to 64 kB', async () => {
    const send = (body: string) =>
      rest.send({ method: 'POST', path: `${PREFIX}/enqueue`, headers: enqueueHeaders, body });
    expect((await send(`{"a":"${'x'.repeat(60_000)}`)).json.detail[0]).toMatchObject({
      type: 'json_invalid',
      loc: ['body', 5],
    });
    expect((await send(`{"a":"${'x'.repeat(70_000)}`)).status).toBe(401);
  });

  test('may come without a content type, or in chunks', async () => {
    const body = '{"job_type":"risk_report","payload":{}}';
    const headers = { authorization: `Bearer ${token}` };
    expect((await rest.send({ method: 'POST', path: `${PREFIX}/enqueue`, headers, body })).status).toBe(200);
    const chunks = new ReadableStream({
      start(stream) {
        for (const char of body) stream.enqueue(new TextEncoder().encode(char));
        stream.close();
      },
    });
    const reply = await fetch(`${rest.url}${PREFIX}/enqueue`, {
      method: 'POST',
      headers: { ...headers, ...enqueueHeaders },
      body: chunks,
      duplex: 'half',
    } as RequestInit);
    expect(reply.status).toBe(200);
    await reply.body?.cancel();
  });

  test.each(['utf8', 'utf16le'] as const)('may be in %s with a byte order mark', async (encoding) => {
    const body = Buffer.from('\ufeff{"job_type":"risk_report","payload":{"é":"😀"}}', encoding);
    const headers = { authorization: `Bearer ${token}`, ...enqueueHeaders };
    const reply = await rest.send({ method: 'POST', path: `${PREFIX}/enqueue`, headers, body });
    expect(reply.status).toBe(200);
    expect(await stored(reply.json.job.id)).toBe('{"é":"😀"}');
  });

  test('cut off by the client leaves the server unharmed', async () => {
    const socket = connect(Number(new URL(rest.url).port), '127.0.0.1');
    socket.write(`POST ${PREFIX}/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    expect((await call('GET', '/stats')).status).toBe(200);
    expect(offpeak.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('a time', () => {
  test.each([
    ['"2030-01-01T00:00:00.123456+02:00"', '2029-12-31T22:00:00.123000Z'],
    ['"2030-01-01"', '2030-01-01T00:00:00Z'],
    ['1900000000', '2030-03-17T17:46:40Z'],
    ['"0001-01-01T00:00:00Z"', '0001-01-01T00:00:00Z'],
    ['"9999-12-31T23:59:59.999Z"', '9999-12-31T23:59:59.999000Z'],
    ['null', null],
  ])('%s comes back as %s', async (runAfter, expected) => {
    const body = `{"job_type":"risk_report","payload":{},"run_after":${runAfter}}`;
    const { status, json } = await call('POST', '/enqueue', body);
    expect([status, json.job?.run_after]).toEqual([200, expected]);
    expect((await call('GET', `/jobs/${json.job.id}`)).json.run_after).toBe(expected);
  });

  test.each(['0001-01-01T00:00:00+05:00', '9999-12-31T23:59:59-05:00'])(
    '%s, outside of the years 1 to 9999 in UTC, is refused',
    async (runAfter) => {
      const body = { job_type: 'risk_report', payload: {}, run_after: runAfter };
      const { status, json } = await call('POST', '/enqueue', body);
      expect(status).toBe(422);
      expect(json.detail[0]).toMatchObject({ loc: ['body', 'run_after'], input: runAfter });
    },
  );
});

/** A small generator of pseudo-random numbers, so that a failure can be repeated. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('600 requests of rubbish meet no fault of the server', async () => {
  const random = mulberry(7);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const values =
    `null true 0 -1 1e400 NaN 1.0 "x" "" "\\u0000" "\\ud800" [] {} "risk_report" "2030-01-01" 99999999999999999999
    {"a":[1e999]} ["risk_report"] "msgbatch_1"`.split(/\s+/);
  const keys =
    `job_type payload priority run_after custom_id idempotency_key max_jobs job_types min_priority batch_id __proto__
    \\u0000`.split(/\s+/);
  const paths =
    `/enqueue /enqueue /enqueue /internal/flush /internal/poll /jobs /jobs/x /stats /jobs/%00/cancel /jobs/%ff /jobs/%
    /jobs/%2e%2e /jobs?limit=%00 /jobs?cursor=%00&limit=1 /jobs?status=%ff /jobs/a/ // /%0d%0a/ /jobs?cursor=WzEsMiwzXQ
    /jobs/%E2%80%A8/cancel/`.split(/\s+/);
  const types = ['application/json', 'text/plain', '', 'application/x+json; charset=latin-1', 'é'];
  for (let n = 0; n < 600; n += 1) {
    const members = Array.from({ length: Math.floor(random() * 6) }, () => `"${pick(keys)}":${pick(values)}`);
    const bytes = Buffer.from(`{${members.join(',')}}`);
    if (random() < 0.3) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const path = PREFIX + pick(paths);
    const sent = {
      method: pick(['GET', 'POST', 'POST', 'POST', 'PUT', 'OPTIONS', 'HEAD']),
      path,
      headers: {
        'content-type': pick(types),
        'idempotency-key': pick(['', 'k', '\u00ff', 'x'.repeat(256)]),
        ...(random() < 0.9 && { authorization: `Bearer ${token}` }),
      },
      body: random() < 0.9 ? bytes : undefined,
    };
    const { status, text } = await rest.send(sent);
    expect(status, `${n}: ${JSON.stringify(sent)} ${bytes.toString()} → ${text}`).toBeLessThan(500);
  }
  expect(offpeak.log.filter(({ level }) => level === 'error')).toEqual([]);
});
