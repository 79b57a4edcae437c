import { gzipSync } from 'node:zlib';
import fc from 'fast-check';

/** What is sent on one connection. */
export interface Fuzzed {
  /**
   * `whole`: requests that are well formed as HTTP, and as many answers are due.
   * `broken`: bytes of such a request changed, and the connection ended; any number of answers is right.
   * `cut`: a part of such a request, and then the client is gone.
   */
  kind: 'whole' | 'broken' | 'cut';
  bytes: Buffer;
  /** For each answer due, whether it has no body in any case. */
  bodiless: boolean[];
}

/** Names that stand for what only the running server knows; each is replaced wherever it occurs. */
export const TOKEN = 'TOKEN';
export const OTHER_TOKEN = 'STRANGER';
export const JOB = 'job_KNOWN';
export const BATCH = 'msgbatch_KNOWN';

interface Parts {
  method: string;
  path: string;
  headers: readonly string[];
  body: Buffer | undefined;
  /** Sizes of the chunks that the body goes out in; none for a body with a length. */
  chunks: readonly number[];
}

const JOB_TYPES = [
  'portfolio_summary',
  'risk_report',
  'strategy_backtest',
  'sentiment_analysis',
  'model_evaluation',
  'trading_analytics',
];

/** JSON text, and text that is nearly JSON. */
const value = fc.oneof(
  fc.json(),
  fc.constantFrom(...JOB_TYPES.map((word) => `"${word}"`)),
  fc.constantFrom(
    ...`null true false 0 -0 1 50 100 101 10000 1.0 5e0 1e400 -1e400 1e-400 NaN Infinity -Infinity 1_000 0x10 01 --1
    12345678901234567890 9223372036854775808 "" "\\u0000" "\\ud800" "\\udc00\\ud800" "💩" "5" "5.0" "1_0" [] {} [[]]
    [null] ["risk_report"] ["risk_report",1] {"a":1e999} {"__proto__":1} "2030-01-01" "2030-01-01T00:00:00Z"
    "2030-02-30T00:00" "9999-12-31T23:59:59-23:59" "0000-01-01T00:00" 1900000000 253402300800 -62135596801
    "${JOB}" "${BATCH}" "batch_01jd8x00000000000000000000" "msgbatch_nope"`.split(/\s+/),
  ),
  fc.nat({ max: 1200 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.nat({ max: 5000 }).map((digits) => '9'.repeat(digits + 1)),
  fc.nat({ max: 400 }).map((length) => `"${'é'.repeat(length)}"`),
  fc
    .tuple(
      fc.constantFrom('1', '1_', ' ', '0', '.5'),
      fc.nat({ max: 20_000 }),
      fc.constantFrom('', 'x', '.0'),
    )
    .map(([part, times, end]) => `"${part.repeat(times)}${end}"`),
);
const FIELDS =
  `job_type payload priority run_after custom_id idempotency_key max_jobs job_types min_priority batch_id
  __proto__ constructor \\u0000 \\ud800`.split(/\s+/);
const key = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...FIELDS) },
  { weight: 1, arbitrary: fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text).slice(1, -1)) },
);
const anything = fc
  .array(fc.tuple(key, value), { maxLength: 7 })
  .map((members) => `{${members.map(([name, text]) => `"${name}":${text}`).join(',')}}`);
const accepted = fc.oneof(
  fc
    .record(
      {
        job_type: fc.constantFrom(...JOB_TYPES),
        payload: fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 })),
        priority: fc.nat({ max: 100 }),
        custom_id: fc.string({ minLength: 1, maxLength: 3 }),
        run_after: fc.constantFrom('2030-01-01', 1900000000),
      },
      { requiredKeys: ['job_type', 'payload'] },
    )
    .map((body) => JSON.stringify(body)),
  fc.constantFrom('{}', '{"max_jobs":1}', `{"batch_id":"${BATCH}"}`, '{"min_priority":99}'),
);
const text = fc.oneof(anything, anything, accepted, value);

/** Bytes put in, left out or changed, here and there. */
const edits = fc.array(
  fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.constantFrom('put', 'drop', 'set'),
    fc.nat({ max: 255 }),
  ),
  { minLength: 1, maxLength: 6 },
);
type Edits = [place: number, what: string, byte: number][];
function edit(bytes: Buffer, list: Edits): Buffer {
  let edited = bytes;
  for (const [place, what, byte] of list) {
    const at = Math.floor(place * edited.length);
    const rest = edited.subarray(what === 'put' ? at : at + 1);
    edited = Buffer.concat([edited.subarray(0, at), what === 'drop' ? Buffer.of() : Buffer.of(byte), rest]);
  }
  return edited;
}

const body = fc.oneof(
  { weight: 8, arbitrary: text.map((json) => Buffer.from(json)) },
  {
    weight: 4,
    arbitrary: fc.tuple(text, edits).map(([json, list]) => edit(Buffer.from(json), list as Edits)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: text.map((json) => Buffer.from(`\ufeff${json}`, 'utf16le')) },
  { weight: 1, arbitrary: text.map((json) => gzipSync(json)) },
  {
    weight: 1,
    // About the size up to which a body is read from anybody.
    arbitrary: fc
      .tuple(text, fc.integer({ min: 60_000, max: 75_000 }))
      .map(([json, blanks]) => Buffer.from(json + ' '.repeat(blanks))),
  },
);

const escape = fc.nat({ max: 255 }).map((byte) => `%${byte.toString(16).padStart(2, '0')}`);
const segment = fc.oneof(
  fc.constantFrom(
    ...`jobs enqueue stats cancel result internal flush poll ${JOB} job_ . .. * % %2 %2F %zz ~ {job_id}`.split(
      ' ',
    ),
  ),
  fc.array(escape, { minLength: 1, maxLength: 4 }).map((escapes) => escapes.join('')),
  fc.webSegment(),
);
const route = fc.constantFrom(
  ...`/enqueue /enqueue /enqueue /enqueue /internal/flush /internal/flush /internal/poll /internal/poll /jobs /jobs /stats
    /jobs/${JOB} /jobs/${JOB}/result /jobs/${JOB}/cancel /jobs/nope /jobs/nope/cancel`.split(/\s+/),
);
const path = fc.oneof(
  { weight: 12, arbitrary: route.map((known) => `/api/v1/batch${known}`) },
  { weight: 1, arbitrary: route.map((known) => `/api/v1/batch${known}/`) },
  { weight: 1, arbitrary: route.map((known) => `http://elsewhere:1/api/v1/batch${known}`) },
  {
    weight: 3,
    arbitrary: fc
      .array(segment, { maxLength: 5 })
      .map((segments) => `/api/v1/batch${segments.map((each) => `/${each}`).join('')}`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('/', '*', '//', '/docs', '/openapi.json', '/docs/', '/api/v1', '/nope'),
  },
  {
    weight: 1,
    arbitrary: fc.nat({ max: 20_000 }).map((length) => `/api/v1/batch/jobs/${'a/'.repeat(length / 2)}`),
  },
);
const query = fc
  .array(
    fc.tuple(
      fc.oneof(fc.constantFrom('status', 'job_type', 'limit', 'cursor', ''), escape),
      fc.oneof(
        fc.constantFrom(
          'pending',
          'completed',
          'risk_report',
          '1',
          '-1',
          '1001',
          '%00',
          '+',
          '1e1',
          'WzEsMiwzXQ',
          '%',
        ),
        fc.array(escape, { maxLength: 5 }).map((escapes) => escapes.join('')),
        fc.webQueryParameters(),
      ),
    ),
    { maxLength: 4 },
  )
  .map((pairs) => (pairs.length > 0 ? `?${pairs.map(([name, given]) => `${name}=${given}`).join('&')}` : ''));

/** What a header may hold: Latin-1 without controls. */
const field = fc
  .array(fc.oneof(fc.integer({ min: 32, max: 126 }), fc.integer({ min: 128, max: 255 })), { maxLength: 30 })
  .map((codes) => String.fromCharCode(...codes));
const host = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('Host: x', 'host: localhost:4000') },
  { weight: 1, arbitrary: field.map((name) => `Host: ${name}`) },
);
const authorization = fc.oneof(
  { weight: 16, arbitrary: fc.constant(`Authorization: Bearer ${TOKEN}`) },
  { weight: 2, arbitrary: fc.constant(`authorization:bearer   ${OTHER_TOKEN}  `) },
  { weight: 1, arbitrary: field.map((given) => `Authorization: ${given}`) },
  { weight: 1, arbitrary: fc.constantFrom('X: y', 'Authorization: Bearer', 'Authorization: Basic eDp5') },
);
const contentType = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('Content-Type: application/json', 'X-None: 1') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'Content-Type: text/plain',
      'Content-Type: application/x+json; charset=latin-1',
      'Content-Type: application/x-www-form-urlencoded',
      'Content-Type: multipart/form-data; boundary=x',
    ),
  },
  { weight: 1, arbitrary: field.map((given) => `Content-Type: ${given}`) },
);
const more = fc.array(
  fc.oneof(
    fc.constantFrom(
      'Idempotency-Key: k',
      'Idempotency-Key:',
      'Content-Encoding: gzip',
      'Expect: 100-continue',
    ),
    fc.constantFrom('Accept: */*', 'Accept-Encoding: gzip, br', 'Origin: http://elsewhere', 'Cookie: a=b; c'),
    fc.constantFrom(
      'X-Forwarded-Proto: javascript',
      'X-HTTP-Method-Override: DELETE',
      'Range: bytes=0-1',
      'TE: trailers',
    ),
    field.map((given) => `Idempotency-Key: ${given}`),
    fc.tuple(fc.stringMatching(/^[a-z]{1,9}$/), field).map(([name, given]) => `X-${name}: ${given}`),
    fc.nat({ max: 17_000 }).map((length) => `X-Long: ${'l'.repeat(length)}`),
  ),
  { maxLength: 3 },
);

const parts: fc.Arbitrary<Parts> = fc
  .record({
    method: fc.oneof(
      { weight: 5, arbitrary: fc.constant('matching') },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'GET',
          'POST',
          'PUT',
          'DELETE',
          'PATCH',
          'OPTIONS',
          'HEAD',
          'TRACE',
          'PROPFIND',
        ),
      },
    ),
    path,
    query,
    host,
    authorization,
    contentType,
    more,
    body: fc.option(body, { nil: undefined, freq: 8 }),
    chunks: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }) },
    ),
  })
  .map(({ method, query: asked, ...rest }) => ({
    method: method === 'matching' ? methodFor(rest.path) : method,
    path: rest.path + asked,
    headers: [rest.host, rest.authorization, rest.contentType, ...rest.more],
    body: rest.body,
    chunks: rest.chunks,
  }));

function methodFor(target: string): string {
  return /enqueue|cancel|internal/.test(target) ? 'POST' : 'GET';
}

interface Exchange {
  kind: Fuzzed['kind'];
  requests: Parts[];
  list: Edits;
  /** How much is sent before the client is gone. */
  share: number;
}

/** Everything that is sent, by turns. */
const exchange: fc.Arbitrary<Exchange> = fc.record({
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant('whole' as const) },
    { weight: 2, arbitrary: fc.constant('broken' as const) },
    { weight: 1, arbitrary: fc.constant('cut' as const) },
  ),
  // Now and then some in one write, without waiting for the answers.
  requests: fc.oneof(
    { weight: 12, arbitrary: fc.array(parts, { minLength: 1, maxLength: 1 }) },
    { weight: 1, arbitrary: fc.array(parts, { minLength: 2, maxLength: 4 }) },
  ),
  list: edits as fc.Arbitrary<Edits>,
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});

/** The nth thing that is sent, made of nothing but the seed and its number. */
export function fuzzedRequest(seed: number, n: number, known: Readonly<Record<string, string>>): Fuzzed {
  const [{ kind, requests, list, share }] = fc.sample(exchange, { seed: seed + n, numRuns: 1 }) as [Exchange];
  const whole = Buffer.concat(requests.map((each) => toBytes(each, known)));
  const bytes = {
    whole: () => whole,
    broken: () => edit(whole, list),
    cut: () => whole.subarray(0, share * whole.length),
  }[kind]();
  return { kind, bytes, bodiless: requests.map(({ method }) => method === 'HEAD') };
}

function toBytes(
  { method, path: target, headers, body: content, chunks }: Parts,
  known: Readonly<Record<string, string>>,
): Buffer {
  const fill = (given: string): string =>
    Object.entries(known).reduce((filled, [name, real]) => filled.replaceAll(name, real), given);
  const payload = content && Buffer.from(fill(content.toString('latin1')), 'latin1');
  const head = [`${method} ${target} HTTP/1.1`, ...headers];
  const pieces: Buffer[] = [];
  if (payload && chunks.length > 0) {
    head.push('Transfer-Encoding: chunked');
    pieces.push(...chunked(payload, chunks));
  } else if (payload) {
    head.push(`Content-Length: ${payload.length}`);
    pieces.push(payload);
  }
  return Buffer.concat([Buffer.from(`${fill(head.join('\r\n'))}\r\n\r\n`, 'latin1'), ...pieces]);
}

function chunked(content: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, n = 0; at < content.length; n += 1) {
    const piece = content.subarray(at, at + sizes[n % sizes.length]!);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
    at += piece.length;
  }
  return [...pieces, Buffer.from('0\r\n\r\n')];
}
