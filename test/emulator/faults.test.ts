import { expect, test } from 'vitest';
import type { FaultAction } from '../../src/emulator/index.ts';
import { allResults, clientOf, control, emulate, LONG_ENOUGH, raw, someRequests } from './setup.ts';

async function endedBatch(count: number) {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(count) });
  await emulator.advance(LONG_ENOUGH);
  return { emulator, client, id, path: `/v1/messages/batches/${id}/results` };
}

test('a status fault answers without doing anything, with the headers and body it was given', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const details = { error_code: 'enforced_spend_limit_reached' };
  const body = {
    type: 'error',
    error: { type: 'rate_limit_error', message: 'cap', details },
    request_id: 'req_x',
  };
  emulator.addFaults([
    { route: 'create', action: { kind: 'status', status: 429, headers: { 'retry-after': '7' }, body } },
  ]);
  const error = await client.messages.batches.create({ requests: someRequests(1) }).catch((e) => e);
  expect(error).toMatchObject({
    status: 429,
    type: 'rate_limit_error',
    errorCode: 'enforced_spend_limit_reached',
  });
  expect(error.headers.get('retry-after')).toBe('7');
  expect(emulator.accepted()).toEqual([]);
  await client.messages.batches.create({ requests: someRequests(1) });
  expect(emulator.accepted()).toHaveLength(1);
});

test('without a body a status fault answers as the API would', async () => {
  const emulator = await emulate({ faults: [{ route: 'list', action: { kind: 'status', status: 529 } }] });
  await expect(clientOf(emulator).messages.batches.list()).rejects.toMatchObject({
    status: 529,
    type: 'overloaded_error',
  });
});

test('a reset before the work leaves no batch, a reset after it leaves one the client knows nothing of', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  emulator.addFaults([
    { route: 'create', action: { kind: 'reset-before' } },
    { route: 'create', nth: 2, action: { kind: 'reset-after' } },
  ]);
  await expect(client.messages.batches.create({ requests: someRequests(2) })).rejects.toThrow(
    'Connection error',
  );
  expect(emulator.accepted()).toEqual([]);
  await expect(client.messages.batches.create({ requests: someRequests(2) })).rejects.toThrow(
    'Connection error',
  );
  expect(emulator.accepted()).toMatchObject([{ custom_ids: ['r-0', 'r-1'], status: 'in_progress' }]);
  const [batch] = (await client.messages.batches.list()).data;
  expect(batch?.request_counts.processing).toBe(2);
});

test('the SDK with its own retries submits three times when answers are lost', async () => {
  const emulator = await emulate({
    faults: [{ route: 'create', times: 3, action: { kind: 'reset-after' } }],
  });
  const client = clientOf(emulator).withOptions({ maxRetries: 2 });
  await expect(client.messages.batches.create({ requests: someRequests(1) })).rejects.toThrow(
    'Connection error',
  );
  expect(emulator.accepted()).toHaveLength(3);
});

test('a cancel whose answer is lost or replaced by an error has happened', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(1) });
  emulator.addFaults([{ route: 'cancel', action: { kind: 'status-after', status: 504 } }]);
  await expect(client.messages.batches.cancel(id)).rejects.toMatchObject({
    status: 504,
    type: 'timeout_error',
  });
  expect((await client.messages.batches.retrieve(id)).processing_status).toBe('canceling');
});

test('a fault strikes the n-th call from now on, as many times as it says', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  await client.messages.batches.list();
  emulator.addFaults([{ route: 'list', nth: 2, times: 2, action: { kind: 'status', status: 500 } }]);
  const outcomes: string[] = [];
  for (let i = 0; i < 5; i++) {
    outcomes.push(
      await client.messages.batches.list().then(
        () => 'ok',
        () => 'failed',
      ),
    );
  }
  expect(outcomes).toEqual(['ok', 'failed', 'failed', 'ok', 'ok']);
});

test('a delayed answer reaches a client that waits and not one that gives up, though the work is done', async () => {
  const emulator = await emulate({ faults: [{ route: 'create', action: { kind: 'delay', ms: 3_600_000 } }] });
  const client = clientOf(emulator);
  const impatient = client.messages.batches.create({ requests: someRequests(1) }, { timeout: 300 });
  await expect(impatient).rejects.toThrow('timed out');
  expect(emulator.accepted()).toHaveLength(1);
  emulator.addFaults([{ route: 'list', action: { kind: 'delay', ms: 1 } }]);
  expect((await client.messages.batches.list()).data).toHaveLength(1);
});

test.for([
  ['reset-at-boundary', 3, 3, 'terminated'],
  ['reset-mid-line', 3, 3, 'terminated'],
  ['reset-mid-line', 0, 0, 'terminated'],
  ['reset-at-boundary', 20, 20, 'terminated'],
] as const)('%s after %i lines breaks the results off there', async ([kind, afterLines, whole, message]) => {
  const { emulator, client, id } = await endedBatch(20);
  emulator.addFaults([{ route: 'results', action: { kind, afterLines } as FaultAction }]);
  let seen = 0;
  const reading = async () => {
    for await (const line of await client.messages.batches.results(id)) seen += line.custom_id ? 1 : 0;
  };
  await expect(reading()).rejects.toThrow(message);
  expect(seen).toBe(whole);
  expect(await allResults(client, id)).toHaveLength(20);
});

test('a clean early end looks like a complete body that is too short', async () => {
  const { emulator, client, id } = await endedBatch(20);
  emulator.addFaults([{ route: 'results', action: { kind: 'clean-early-end', afterLines: 12 } }]);
  expect(await allResults(client, id)).toHaveLength(12);
});

test('faults and outcomes can be armed and disarmed over HTTP, and mistakes in them are named', async () => {
  const emulator = await emulate();
  const { url } = emulator;
  const fault = { route: 'list', times: 9, action: { kind: 'status', status: 503 } };
  expect((await control(url, 'POST', 'faults', [fault])).status).toBe(200);
  expect((await raw(url, '/v1/messages/batches')).status).toBe(503);
  expect((await control(url, 'DELETE', 'faults')).status).toBe(200);
  expect((await raw(url, '/v1/messages/batches')).status).toBe(200);
  const wrong = [
    await control(url, 'POST', 'faults', [{ ...fault, route: 'lists' }]),
    await control(url, 'POST', 'faults', [{ ...fault, action: { kind: 'explode' } }]),
    await control(url, 'POST', 'outcomes', [{ outcome: { type: 'lost' } }]),
    await control(url, 'POST', 'clock', { advanceMs: -1 }),
    await control(url, 'POST', 'settings', { speed: 0 }),
  ];
  expect(wrong.map((response) => response.status)).toEqual([400, 400, 400, 400, 400]);
  const outcome = { outcome: { type: 'errored', errorType: 'api_error' } };
  expect((await control(url, 'POST', 'outcomes', [outcome])).status).toBe(200);
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(1) });
  await control(url, 'POST', 'clock', { advanceMs: LONG_ENOUGH });
  expect((await client.messages.batches.retrieve(id)).request_counts.errored).toBe(1);
});

test('slow results arrive line by line and stop when the client leaves', async () => {
  const { emulator, client, id } = await endedBatch(20);
  expect((await control(emulator.url, 'POST', 'settings', { resultsDelayMs: 3_600_000 })).status).toBe(200);
  for await (const line of await client.messages.batches.results(id)) {
    expect(line.custom_id).toMatch(/^r-/);
    break;
  }
  await expect
    .poll(() => emulator.requests().at(-1))
    .toMatchObject({ route: 'results', outcome: 'client-gone' });
});

test('the request log tells every call, its ids and what became of it', async () => {
  const emulator = await emulate({ faults: [{ route: 'create', nth: 2, action: { kind: 'reset-after' } }] });
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(2) });
  await client.messages.batches.create({ requests: someRequests(1) }).catch(() => undefined);
  await client.messages.batches.retrieve(id);
  await raw(emulator.url, '/v1/elsewhere');
  const lost = emulator.accepted()[1]?.id;
  expect(emulator.requests()).toMatchObject([
    {
      method: 'POST',
      route: 'create',
      status: 200,
      outcome: 'answered',
      batch_id: id,
      request_count: 2,
      custom_ids: ['r-0', 'r-1'],
    },
    { route: 'create', status: null, outcome: 'reset-after', batch_id: lost, custom_ids: ['r-0'] },
    { method: 'GET', route: 'retrieve', path: `/v1/messages/batches/${id}`, status: 200, batch_id: id },
    { route: null, path: '/v1/elsewhere', status: 404 },
  ]);
  expect(await (await control(emulator.url, 'GET', 'requests')).json()).toEqual({
    data: emulator.requests(),
  });
  expect(await (await control(emulator.url, 'GET', 'accepted')).json()).toEqual({
    data: emulator.accepted(),
  });
});
