import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../harness/http.ts';
import { connectTo, type RawReply } from './raw.ts';
import { PREFIX } from './server.ts';

let server: TestServer;
let authorization: string;
beforeAll(async () => {
  server = await startServer();
  authorization = `Authorization: Bearer ${server.token}`;
});
afterAll(() => server[Symbol.asyncDispose]());

const JOB = '{"job_type":"risk_report","payload":{}}';

/** One request as it goes over the wire; its body has its length, unless a header says how it is framed. */
function request(
  method: string,
  target: string,
  headers: readonly string[] = [],
  body?: string | Buffer,
): Buffer {
  const framed = body === undefined || headers.some((each) => each.startsWith('Transfer-Encoding'));
  const length = framed ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const host = headers.some((each) => /^host:/i.test(each)) ? [] : ['Host: x'];
  const head = [`${method} ${target} HTTP/1.1`, ...host, ...headers, ...length].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), Buffer.from(body ?? '')]);
}

/** All in one write on one connection, and as many answers. */
async function converse(...requests: Buffer[]): Promise<(RawReply | undefined)[]> {
  using raw = await connectTo(server.url);
  raw.write(Buffer.concat(requests));
  const replies: (RawReply | undefined)[] = [];
  for (const sent of requests)
    replies.push(await raw.reply({ bodiless: sent.toString().startsWith('HEAD ') }));
  return replies;
}

const stats = () => request('GET', `${PREFIX}/stats`, [authorization]);
const enqueue = (headers: readonly string[] = [], body: string | Buffer = JOB) =>
  request('POST', `${PREFIX}/enqueue`, [authorization, ...headers], body);

describe('a method that a path does not have', () => {
  const allowed = {
    '/docs': 'GET, HEAD',
    '/openapi.json': 'GET, HEAD',
    [`${PREFIX}/enqueue`]: 'POST',
    [`${PREFIX}/jobs`]: 'GET',
    [`${PREFIX}/jobs/x`]: 'GET',
    [`${PREFIX}/jobs/x/cancel`]: 'POST',
    [`${PREFIX}/jobs/x/result`]: 'GET',
    [`${PREFIX}/stats`]: 'GET',
    [`${PREFIX}/internal/flush`]: 'POST',
    [`${PREFIX}/internal/poll`]: 'POST',
  };
  test.each(Object.entries(allowed))('of %s is answered with those that it has', async (path, allow) => {
    for (const method of ['HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND']) {
      const [reply, next] = await converse(request(method, path), stats());
      const [status, told] = allow.split(', ').includes(method) ? [200, undefined] : [405, allow];
      expect([method, reply!.status, reply!.headers.get('allow')]).toEqual([method, status, told]);
      expect(next!.status).toBe(200);
    }
  });

  test.each([PREFIX, `${PREFIX}/`, `${PREFIX}/nope`, '/nope', '*'])('of %s is not found', async (path) => {
    const [reply] = await converse(request('OPTIONS', path));
    expect(reply).toMatchObject({ status: 404, body: '{"detail":"Not Found"}' });
  });
});

describe('requests on one connection', () => {
  test('sent without waiting are all answered, in their order', async () => {
    const names = Array.from({ length: 30 }, () => crypto.randomUUID());
    const replies = await converse(
      ...names.map((name) => enqueue([], `{"job_type":"risk_report","payload":{},"custom_id":"${name}"}`)),
      stats(),
    );
    expect(replies.pop()!.status).toBe(200);
    expect(replies.map((reply) => JSON.parse(reply!.body).job.custom_id)).toEqual(names);
  });

  test.each([
    ['401', request('POST', `${PREFIX}/enqueue`, [], 'x'.repeat(300_000))],
    ['404', request('POST', '/nope', [], 'x'.repeat(300_000))],
    ['405', request('PUT', `${PREFIX}/enqueue`, [], 'x'.repeat(300_000))],
    ['405', request('POST', '/docs', [], 'x'.repeat(300_000))],
    ['307', request('POST', `${PREFIX}/enqueue/`, [], 'x'.repeat(300_000))],
    ['200', request('GET', `${PREFIX}/stats`, ['Authorization: TOKEN'], 'GET / HTTP/1.1\r\n\r\n')],
  ])('go on after a %s whose body nobody has read', async (status, first) => {
    const sent = Buffer.from(first.toString().replace('Authorization: TOKEN', authorization));
    const replies = await converse(sent, stats());
    expect(replies.map((reply) => reply!.status)).toEqual([Number(status), 200]);
  });

  test('that ask to go on with their body are told to, each in its turn', async () => {
    using raw = await connectTo(server.url);
    const asking = (body: string) => enqueue(['Expect: 100-continue'], body);
    raw.write(Buffer.concat([asking(JOB), stats(), asking(JOB), asking('{'), stats()]));
    const statuses: number[] = [];
    while (statuses.filter((status) => status >= 200).length < 5) {
      const reply = await raw.reply();
      if (reply!.status >= 200) JSON.parse(reply!.body);
      statuses.push(reply!.status);
    }
    expect(statuses).toEqual([100, 200, 200, 100, 200, 100, 422, 200]);
  });

  test('whose client goes away in the middle of a body leave no trace', async () => {
    for (const part of [0.2, 0.9]) {
      for (const large of [JOB, `{"a":"${'x'.repeat(200_000)}"}`]) {
        const bytes = enqueue([], large);
        using raw = await connectTo(server.url);
        raw.write(bytes.subarray(0, bytes.length * part));
        await new Promise((resolve) => setTimeout(resolve, 20));
        raw.socket.resetAndDestroy();
      }
    }
    const [reply] = await converse(stats());
    expect(reply!.status).toBe(200);
  });
});

describe('a body', () => {
  const chunked = (content: string) =>
    Buffer.from(
      Array.from(content, (char) => `1;ext=x\r\n${char}\r\n`).join('') + '0\r\nX-Trailer: y\r\n\r\n',
    );

  test('in chunks needs no length', async () => {
    const [reply, next] = await converse(enqueue(['Transfer-Encoding: chunked'], chunked(JOB)), stats());
    expect([reply!.status, next!.status]).toEqual([200, 200]);
  });

  test('that is compressed is not read, whatever it would hold', async () => {
    const [reply] = await converse(enqueue(['Content-Encoding: gzip'], gzipSync(JOB)));
    expect(reply).toMatchObject({ status: 400, body: '{"detail":"There was an error parsing the body"}' });
  });

  test.each([
    ['two lengths', 'Content-Length: 1\r\nContent-Length: 5\r\n\r\n0\r\n\r\n'],
    ['a length and chunks', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n'],
    ['chunks that are none', 'Transfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ])('with %s ends the connection', async (_name, rest) => {
    using raw = await connectTo(server.url);
    raw.write(`POST ${PREFIX}/enqueue HTTP/1.1\r\nHost: x\r\n${rest}`);
    expect(await raw.rest()).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe('a target', () => {
  test.each([
    ['as a whole URL', `http://elsewhere:1${PREFIX}/stats`, 200],
    ['with an encoded letter', `${PREFIX}/st%61ts`, 200],
    ['with an encoded slash', `${PREFIX}%2Fstats`, 404],
    ['with an encoded slash below the prefix', `${PREFIX}/jobs%2Fx%2Fresult`, 404],
    ['with two slashes', `/${PREFIX}/stats`, 404],
    ['with dots', `${PREFIX}/jobs/../stats`, 404],
    ['in capitals', `${PREFIX}/STATS`, 404],
    ['of another scheme', `ftp://elsewhere${PREFIX}/stats`, 404],
    ['longer than any header may be', `${PREFIX}/jobs?${'x'.repeat(20_000)}`, 431],
  ])('%s', async (_name, target, status) => {
    const [reply] = await converse(request('GET', target, [authorization]));
    expect(reply!.status).toBe(status);
  });

  test('with an encoded slash is that of a job’s result', async () => {
    const [reply] = await converse(request('GET', `${PREFIX}/jobs%2Fx%2Fresult`, [authorization]));
    expect(reply!.body).toBe('{"detail":"Job not found"}');
  });
});

describe('a header', () => {
  test('that comes twice counts once: the first credentials, and both keys', async () => {
    const [first, second] = await converse(
      request('GET', `${PREFIX}/stats`, [authorization, 'Authorization: Bearer nobody']),
      request('GET', `${PREFIX}/stats`, ['Authorization: Bearer nobody', authorization]),
    );
    expect([first!.status, second!.status]).toEqual([200, 401]);
    const [both] = await converse(enqueue(['Idempotency-Key: a', 'Idempotency-Key: b']));
    expect(JSON.parse(both!.body).job.custom_id).toBe('a, b');
  });

  test.each(['é<>"', 'a\tb', 'x>; rel="prev", <y'])('Host: %s breaks no link', async (host) => {
    await converse(enqueue(), enqueue());
    const headers = [authorization, `Host: ${host}`];
    const [page, redirect] = await converse(
      request('GET', `${PREFIX}/jobs?limit=1`, headers),
      request('GET', `${PREFIX}/stats/`, headers),
    );
    expect(page!.headers.get('link')).toMatch(/^<http:\/\/[^<>"\s]+>; rel="next"$/);
    expect(redirect!.headers.get('location')).toMatch(/^http:\/\/[^<>"\s]+\/api\/v1\/batch\/stats$/);
  });
});

test('none of this was a fault of the server', () => {
  expect(server.offpeak.log.filter(({ level }) => level === 'error')).toEqual([]);
});
