import { request } from 'node:http';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import {
  bodyOf,
  clientOf,
  control,
  emulate,
  HOUR,
  LONG_ENOUGH,
  raw,
  runBatch,
  someRequests,
} from './setup.ts';

const CREATE = '/v1/messages/batches';
const json = (body: unknown) => ({ method: 'POST', body: JSON.stringify(body) });

test('a new batch shows all ten keys, with null for what is not known yet', async () => {
  const emulator = await emulate();
  const batch = await clientOf(emulator).messages.batches.create({ requests: someRequests(3) });
  expect(batch).toEqual({
    id: expect.stringMatching(/^msgbatch_01[1-9A-Za-z]{22}$/),
    type: 'message_batch',
    processing_status: 'in_progress',
    request_counts: { processing: 3, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    expires_at: expect.any(String),
    ended_at: null,
    cancel_initiated_at: null,
    archived_at: null,
    results_url: null,
  });
  expect(Date.parse(batch.expires_at) - Date.parse(batch.created_at)).toBe(24 * HOUR);
});

test('every response says that it comes from an emulator and carries a request id', async () => {
  const { url, instanceId } = await emulate();
  const responses = [
    await raw(url, CREATE, json({ requests: someRequests(1) })),
    await raw(url, CREATE),
    await raw(url, '/v1/nothing'),
    await raw(url, `${CREATE}/msgbatch_missing`),
    await fetch(url + CREATE),
  ];
  for (const response of responses) {
    expect(response.headers.get('x-offpeak-emulator')).toBe(instanceId);
    expect(response.headers.get('request-id')).toMatch(/^req_/);
    const { request_id } = await bodyOf<{ request_id?: string }>(response);
    const expected = response.status === 200 ? undefined : response.headers.get('request-id');
    expect(request_id).toBe(expected);
  }
  expect(responses.map((response) => response.status)).toEqual([200, 200, 404, 404, 401]);
  const health = await control(url, 'GET', 'health');
  expect(health.headers.get('x-offpeak-emulator')).toBe(instanceId);
  expect(await health.json()).toMatchObject({ instanceId, pid: process.pid, speed: 1 });
});

test('both ways to send a key and both API versions are accepted, and ?beta=true changes nothing', async () => {
  const { url } = await emulate();
  const headersOf = (key: Record<string, string>, version: string) => ({
    headers: { ...key, 'anthropic-version': version },
  });
  const a = await fetch(`${url}${CREATE}?beta=true`, headersOf({ authorization: 'Bearer k' }, '2026-10-21'));
  const b = await fetch(url + CREATE, headersOf({ 'x-api-key': 'k' }, '2023-06-01'));
  expect([a.status, b.status]).toEqual([200, 200]);
  expect(a.headers.get('anthropic-workspace-id')).toMatch(/^wrkspc_/);
  expect(a.headers.get('anthropic-workspace-id')).toBe(b.headers.get('anthropic-workspace-id'));
  expect(a.headers.get('anthropic-organization-id')).toBeTruthy();
  const old = await fetch(url + CREATE, headersOf({ 'x-api-key': 'k' }, '2020-01-01'));
  expect(old.status).toBe(400);
});

test('without a key the answer is an authentication error that names no workspace', async () => {
  const { url } = await emulate();
  const response = await fetch(url + CREATE, { headers: { 'anthropic-version': '2023-06-01' } });
  expect(response.status).toBe(401);
  expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
  expect(response.headers.get('anthropic-workspace-id')).toBeNull();
});

test.for([
  ['no JSON', '{"requests": [', 'not valid JSON'],
  ['no requests', '{}', 'requests: Field required'],
  ['an empty list', '{"requests":[]}', 'requests: List should have at least 1 item'],
  [
    'an id that is too long',
    `{"requests":[{"custom_id":"${'x'.repeat(65)}","params":{}}]}`,
    'requests.0.custom_id: String should have at most 64 characters',
  ],
  [
    'an id with other characters',
    '{"requests":[{"custom_id":"a b","params":{}}]}',
    'requests.0.custom_id: String should match pattern',
  ],
  [
    'an id ending in a newline',
    '{"requests":[{"custom_id":"a\\n","params":{}}]}',
    'requests.0.custom_id: String should match pattern',
  ],
  [
    'the same id twice',
    '{"requests":[{"custom_id":"a","params":{}},{"custom_id":"a","params":{}}]}',
    'requests.1.custom_id',
  ],
  ['no params', '{"requests":[{"custom_id":"a"}]}', 'requests.0.params: Field required'],
] as const)('an envelope with %s is refused at once', async ([, body, message]) => {
  const emulator = await emulate();
  const response = await raw(emulator.url, CREATE, { method: 'POST', body });
  expect(response.status).toBe(400);
  const { error } = await bodyOf<{ error: { type: string; message: string } }>(response);
  expect(error.type).toBe('invalid_request_error');
  expect(error.message).toContain(message);
  expect(emulator.accepted()).toEqual([]);
});

test('more than 100,000 requests are refused', async () => {
  const { url } = await emulate();
  const requests = Array.from({ length: 100_001 }, (_, i) => ({ custom_id: `r${i}`, params: {} }));
  const response = await raw(url, CREATE, json({ requests }));
  expect(response.status).toBe(400);
});

test('a body that announces more than 256,000,000 bytes is refused with 413, not in JSON', async () => {
  const { url, instanceId } = await emulate();
  const headers = { 'x-api-key': 'k', 'anthropic-version': '2023-06-01', 'content-length': '256000001' };
  const req = request(url + CREATE, { method: 'POST', headers });
  req.flushHeaders();
  const [response] = (await once(req, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(413);
  expect(response.headers['content-type']).toBe('text/html');
  expect(response.headers['x-offpeak-emulator']).toBe(instanceId);
  expect(await text(response)).toContain('413 Request Entity Too Large');
  req.on('error', () => undefined).destroy();
});

test('the SDK sees a body over the limit as too large, without an error type', async () => {
  const emulator = await emulate({ maxBodyBytes: 500 });
  const error = await clientOf(emulator)
    .messages.batches.create({ requests: someRequests(20) })
    .catch((e) => e);
  expect(error).toMatchObject({ status: 413, type: null });
});

test('results stream as JSON lines from the host that was asked, shuffled, one line per request', async () => {
  const emulator = await emulate();
  const { batch } = await runBatch(emulator, someRequests(50));
  expect(batch.results_url).toBe(`${emulator.url}${CREATE}/${batch.id}/results`);
  const response = await raw(batch.results_url ?? '', '', { headers: { authorization: 'Bearer key-one' } });
  expect(response.headers.get('content-type')).toBe('application/x-jsonl');
  expect(response.headers.get('content-length')).toBeNull();
  const body = await response.text();
  expect(body.endsWith('}\n')).toBe(true);
  const ids = body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).custom_id as string);
  const sent = someRequests(50).map((r) => r.custom_id);
  expect(ids).not.toEqual(sent);
  expect(ids.toSorted()).toEqual(sent.toSorted());
});

test('tokens can be counted', async () => {
  const emulator = await emulate();
  const messages = [{ role: 'user' as const, content: 'x'.repeat(3500) }];
  const { input_tokens } = await clientOf(emulator).messages.countTokens({
    model: 'claude-opus-5',
    messages,
  });
  expect(input_tokens).toBeGreaterThan(900);
  expect(input_tokens).toBeLessThan(1100);
});

test('the same create twice makes two batches, idempotency key or not', async () => {
  const emulator = await emulate();
  const headers = { 'idempotency-key': 'same' };
  const body = JSON.stringify({ requests: someRequests(1) });
  const first = await bodyOf<{ id: string }>(
    await raw(emulator.url, CREATE, { method: 'POST', body, headers }),
  );
  const second = await bodyOf<{ id: string }>(
    await raw(emulator.url, CREATE, { method: 'POST', body, headers }),
  );
  expect(first.id).not.toBe(second.id);
  await emulator.advance(LONG_ENOUGH);
  expect(emulator.accepted().map((batch) => batch.custom_ids)).toEqual([['r-0'], ['r-0']]);
});
