import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../harness/http.ts';
import { connectTo, type RawConnection } from '../rest/raw.ts';
import { BATCH, fuzzedRequest, JOB, OTHER_TOKEN, TOKEN, type Fuzzed } from './requests.ts';

const SEED = 20_261_123;
const COUNT = 20_000;
/** The longest that an answer may take, in milliseconds. */
const LIMIT = 1000;
/** Memory is measured from here on, when all that is made once is made. */
const WARM = 5000;
/** What may be kept of 15,000 requests, in bytes. */
const GROWTH = 30_000_000;

let server: TestServer;
let known: Record<string, string>;
let connection: RawConnection | undefined;
beforeAll(async () => {
  server = await startServer();
  known = {
    [TOKEN]: server.token,
    [OTHER_TOKEN]: await server.offpeak.token('stranger'),
    ...(await oneJob()),
  };
});
afterAll(async () => {
  connection?.[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

/** A job in a batch, so that some requests are about something. */
async function oneJob(): Promise<Record<string, string>> {
  const call = async (path: string, body: string): Promise<any> => {
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
    const url = `${server.url}/api/v1/batch${path}`;
    return (await fetch(url, { method: 'POST', headers, body })).json();
  };
  const { job } = await call('/enqueue', '{"job_type":"risk_report","payload":{}}');
  return { [JOB]: job.id, [BATCH]: (await call('/internal/flush', '{}')).batch_id };
}

/** Statuses of the answers to what was sent. */
async function exchange({ kind, bytes, bodiless }: Fuzzed): Promise<number[]> {
  if (kind === 'whole') return converse(bytes, bodiless);
  using raw = await connectTo(server.url);
  raw.write(bytes);
  if (kind === 'broken') {
    raw.socket.end();
    return [...(await raw.rest()).matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }
  // Gone only when it is on its way, or nothing would ever arrive.
  await new Promise((resolve) => setImmediate(resolve));
  return [];
}

/** On one connection for as long as the server keeps it, so that what one request leaves behind meets the next. */
async function converse(bytes: Buffer, bodiless: readonly boolean[]): Promise<number[]> {
  connection ??= await connectTo(server.url);
  connection.write(bytes);
  const statuses: number[] = [];
  let closed = false;
  for (let n = 0; n < bodiless.length && !closed;) {
    const reply = await connection.reply({ bodiless: bodiless[n]! });
    if (reply) statuses.push(reply.status);
    if (reply?.headers.get('content-type') === 'application/json' && reply.body) JSON.parse(reply.body);
    // The real answer comes after "Continue".
    if (!reply || reply.status >= 200) n += 1;
    closed = !reply || reply.headers.get('connection') === 'close';
  }
  if (closed) hangUp();
  return statuses;
}

function hangUp(): void {
  connection?.[Symbol.dispose]();
  connection = undefined;
}

/** The answers, and how long they took; `undefined` when they have not come after some seconds. */
async function timed(sent: Fuzzed): Promise<{ statuses: number[] | undefined; ms: number }> {
  const started = performance.now();
  let late: NodeJS.Timeout | undefined;
  const patience = new Promise<undefined>((resolve) => {
    late = setTimeout(resolve, 10 * LIMIT, undefined);
  });
  try {
    const statuses = await Promise.race([exchange(sent), patience]);
    if (!statuses) hangUp();
    return { statuses, ms: performance.now() - started };
  } finally {
    clearTimeout(late);
  }
}

/** In a busy machine anything may take a second; what does so twice, the second time in quiet, is slow. */
async function timedTwice(sent: Fuzzed): ReturnType<typeof timed> {
  const first = await timed(sent);
  if (first.statuses && first.ms <= LIMIT) return first;
  await new Promise((resolve) => setTimeout(resolve, 2 * LIMIT));
  return timed(sent);
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What is in use once all is let go of that can be; that takes several collections, with turns of the loop between. */
async function memory(): Promise<{ kept: number; resident: number }> {
  let kept = Infinity;
  for (let n = 0; n < 8; n += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    collect();
    const { heapUsed, external } = process.memoryUsage();
    kept = Math.min(kept, heapUsed + external);
  }
  return { kept, resident: process.memoryUsage.rss() };
}

function print({ kind, bytes }: Fuzzed): string {
  return `${kind} ${JSON.stringify(bytes.toString('latin1').slice(0, 4000))}`;
}

/** What is wrong with the answers to a request, if anything is. */
function complaint({ kind }: Fuzzed, statuses: number[] | undefined, ms: number): string | undefined {
  if (!statuses) return 'no answer';
  if (kind === 'whole' && statuses.length === 0) return 'hung up without an answer';
  const fault = statuses.find((status) => status >= 500);
  if (fault !== undefined) return `a ${fault}`;
  return ms > LIMIT ? `an answer after ${Math.round(ms)} ms` : undefined;
}

test(`${COUNT} requests of all kinds of rubbish meet no fault, no hang and no leak`, async () => {
  const answers: Record<number, number> = {};
  let slowest = 0;
  let warm = await memory();
  const started = performance.now();
  for (let n = 0; n < COUNT; n += 1) {
    if (n === WARM) warm = await memory();
    const sent = fuzzedRequest(SEED, n, known);
    const { statuses, ms } = await timedTwice(sent);
    const wrong = complaint(sent, statuses, ms);
    // With this line in hand, the request can be made and sent again.
    if (wrong) throw new Error(`fuzzedRequest(${SEED}, ${n}) met ${wrong}: ${print(sent)}`);
    slowest = Math.max(slowest, ms);
    for (const status of statuses ?? []) answers[status] = (answers[status] ?? 0) + 1;
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  const end = await memory();
  const megabytes = (before: number, after: number) =>
    `${Math.round(before / 1e6)} → ${Math.round(after / 1e6)} MB`;
  console.info(
    `${COUNT} requests in ${seconds} s, the slowest ${Math.round(slowest)} ms; answers ${JSON.stringify(answers)};`,
    `in use ${megabytes(warm.kept, end.kept)}, resident ${megabytes(warm.resident, end.resident)}`,
  );
  expect(end.kept - warm.kept).toBeLessThan(GROWTH);
  const faults = server.offpeak.log.filter(({ message }) => message.includes('fault of the server'));
  expect(faults).toEqual([]);
});
