import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { anthropicProvider } from '../../src/adapters/anthropic.ts';
import { ProviderError, type Provider } from '../../src/core/index.ts';
import {
  startEmulator,
  type FaultAction,
  type FaultRoute,
  type RunningEmulator,
} from '../../src/emulator/index.ts';

async function begin(): Promise<{ emulator: RunningEmulator; provider: Provider }> {
  const emulator = await startEmulator({ seed: 1 });
  onTestFinished(() => emulator.close());
  const provider = anthropicProvider({ apiKey: 'test-key', baseURL: emulator.url, submitTimeout: 300 });
  return { emulator, provider };
}

const body = (...names: string[]) =>
  Buffer.from(
    JSON.stringify({
      requests: names.map((name) => ({
        custom_id: name,
        params: { model: 'claude-sonnet-5', max_tokens: 10, messages: [{ role: 'user', content: 'Grüße' }] },
      })),
    }),
  );

async function failure(run: () => Promise<unknown>): Promise<ProviderError> {
  const error = await run().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ProviderError);
  return error as ProviderError;
}

const count = (emulator: RunningEmulator, route: FaultRoute) =>
  emulator.requests().filter((request) => request.route === route).length;

test('a batch goes through all its calls', async () => {
  const { emulator, provider } = await begin();
  const created = await provider.create(body('a', 'b'));
  expect(created).toMatchObject({ status: 'in_progress', endedAt: undefined });
  expect(created.counts).toEqual({ processing: 2, succeeded: 0, errored: 0, canceled: 0, expired: 0 });
  expect(created.expiresAt.getTime() - created.createdAt.getTime()).toBe(24 * 3_600_000);
  expect((await provider.cancel(created.id)).status).toBe('canceling');
  await emulator.advance(3_600_000);
  const ended = await provider.retrieve(created.id);
  expect(ended).toMatchObject({ status: 'ended', endedAt: expect.any(Date) });
  const lines = await Array.fromAsync(provider.results(created.id));
  expect(lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id).toSorted()).toEqual([
    'a',
    'b',
  ]);
});

test('the list gives every batch, newest first, over as many pages as it takes', async () => {
  const { provider } = await begin();
  const made: string[] = [];
  for (let n = 0; n < 103; n += 1) made.unshift((await provider.create(body('a'))).id);
  expect((await Array.fromAsync(provider.list())).map(({ id }) => id)).toEqual(made);
});

describe('a failed create', () => {
  const refused: [string, FaultAction][] = [400, 401, 402, 403, 404, 413, 422, 429].map((status) => [
    `status ${status}`,
    { kind: 'status', status, headers: { 'x-should-retry': 'true', 'retry-after': '1' } },
  ]);
  test.each(refused)('certainly did nothing: %s', async (_name, action) => {
    const { emulator, provider } = await begin();
    emulator.addFaults([{ route: 'create', action }]);
    const error = await failure(() => provider.create(body('a')));
    expect(error).toMatchObject({ effect: 'refused', status: 'status' in action ? action.status : 0 });
    expect(count(emulator, 'create')).toBe(1);
  });

  const unclear: [string, FaultAction][] = [
    ...[302, 408, 409, 418, 425, 500, 502, 503, 504, 524, 529].map((status): [string, FaultAction] => [
      `status ${status}`,
      { kind: 'status-after', status, headers: { 'x-should-retry': 'true', 'retry-after': '1' } },
    ]),
    ['a connection lost before', { kind: 'reset-before' }],
    ['a connection lost after', { kind: 'reset-after' }],
    ['no answer in time', { kind: 'delay', ms: 5000 }],
    ['an empty 200', { kind: 'status-after', status: 200, body: '' }],
    [
      'a 200 of HTML',
      { kind: 'status-after', status: 200, body: '<p>', headers: { 'content-type': 'text/html' } },
    ],
    ['a 200 of half a JSON', { kind: 'status-after', status: 200, body: '{"id":' }],
    ['a 200 that is null', { kind: 'status-after', status: 200, body: 'null' }],
    ['a 200 of another object', { kind: 'status-after', status: 200, body: { id: 'x', type: 'message' } }],
  ];
  test.each(unclear)('may have worked: %s', async (_name, action) => {
    const { emulator, provider } = await begin();
    emulator.addFaults([{ route: 'create', action }]);
    expect((await failure(() => provider.create(body('a')))).effect).toBe('unclear');
    await vi.waitFor(() => expect(count(emulator, 'create'), 'one POST and no other').toBe(1));
  });

  test('did nothing when nobody listens', async () => {
    const { emulator, provider } = await begin();
    await emulator.close();
    expect(await failure(() => provider.create(body('a')))).toMatchObject({
      effect: 'refused',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('says the provider’s own words, and its most exact code', async () => {
    const { emulator, provider } = await begin();
    const error = {
      type: 'rate_limit_error',
      message: 'You have reached your limit.',
      details: { error_code: 'enforced_spend_limit_reached' },
    };
    const answer = { type: 'error', error, request_id: 'req_1' };
    emulator.addFaults([{ route: 'create', action: { kind: 'status', status: 429, body: answer } }]);
    expect(await failure(() => provider.create(body('a')))).toMatchObject({
      status: 429,
      type: 'enforced_spend_limit_reached',
      message: 'You have reached your limit.',
    });
  });
});

test('no call sleeps because the provider asks it to', async () => {
  const { emulator, provider } = await begin();
  const { id } = await provider.create(body('a'));
  const action: FaultAction = { kind: 'status', status: 429, headers: { 'retry-after': '3600' } };
  const calls: [FaultRoute, () => Promise<unknown>][] = [
    ['retrieve', () => provider.retrieve(id)],
    ['cancel', () => provider.cancel(id)],
    ['list', () => Array.fromAsync(provider.list())],
    ['results', () => Array.fromAsync(provider.results(id))],
    ['list', () => provider.identity()],
  ];
  for (const [route, run] of calls) {
    emulator.addFaults([{ route, action }]);
    expect((await failure(run)).status).toBe(429);
  }
});

describe('results that break off', () => {
  test.each([
    ['reset-mid-line', 2],
    ['reset-at-boundary', 2],
    ['clean-early-end', 2],
  ] as const)('%s', async (kind, afterLines) => {
    const { emulator, provider } = await begin();
    const { id } = await provider.create(body('a', 'b', 'c', 'd'));
    await emulator.advance(3_600_000);
    emulator.addFaults([{ route: 'results', action: { kind, afterLines } }]);
    const lines: string[] = [];
    const read = async (): Promise<'ended' | ProviderError['effect']> => {
      try {
        for await (const line of provider.results(id)) lines.push(line);
        return 'ended';
      } catch (error) {
        return (error as ProviderError).effect;
      }
    };
    expect(await read()).toBe(kind === 'clean-early-end' ? 'ended' : 'unclear');
    expect(lines).toHaveLength(afterLines);
  });
});

describe('the identity', () => {
  test('of an emulator is its own, and is asked for once', async () => {
    const { emulator, provider } = await begin();
    expect(await provider.identity()).toBe(`simulated:${emulator.instanceId}`);
    expect(await provider.identity()).toBe(`simulated:${emulator.instanceId}`);
    expect(count(emulator, 'list')).toBe(1);
  });

  test('is asked for again after it could not be learned', async () => {
    const { emulator, provider } = await begin();
    emulator.addFaults([{ route: 'list', action: { kind: 'status', status: 500 } }]);
    await failure(() => provider.identity());
    expect(await provider.identity()).toBe(`simulated:${emulator.instanceId}`);
  });
});
