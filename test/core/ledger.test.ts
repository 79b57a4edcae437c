import { expect, test } from 'vitest';
import { StoppedClock } from '../../src/adapters/clock.ts';
import { stage, type Stage } from './setup.ts';

/** Books one answer of a model with this usage, and returns its row of the ledger. */
async function bookedItem(it: Stage, model: string, usage: object | null) {
  await it.jobs(1);
  const { id } = await it.submit();
  await it.end();
  const { custom_ids: names } = it.emulator.accepted().at(-1)!;
  const message = { model, stop_reason: 'end_turn', content: [], usage };
  const body = JSON.stringify({ custom_id: names[0], result: { type: 'succeeded', message } });
  it.emulator.addFaults([{ route: 'results', action: { kind: 'status', status: 200, body } }]);
  expect(await it.core.ingestBatch(id)).toBe('ingested');
  return it.db.batchItem.findFirstOrThrow({ where: { batchId: id } });
}

const money = (value: { toFixed(): string } | null) => value?.toFixed();

test('an answer costs exactly half of its tokens at the list price, and searches in full', async () => {
  const it = await stage();
  const item = await bookedItem(it, 'claude-opus-4-8', {
    input_tokens: 1_234_567,
    output_tokens: 7_654_321,
    cache_creation_input_tokens: 300,
    cache_read_input_tokens: 1_000_003,
    cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
    output_tokens_details: { thinking_tokens: 17 },
    server_tool_use: { web_search_requests: 3 },
  });
  // 1.234567 × 5 + 7.654321 × 25 + 0.0001 × 6.25 + 0.0002 × 10 + 1.000003 × 0.5 = 198.0334865 at the standard rate.
  expect(money(item.standardCostUsd)).toBe('198.0634865');
  expect(money(item.costUsd)).toBe('99.04674325');
  expect(item).toMatchObject({
    inputTokens: 1_234_567,
    outputTokens: 7_654_321,
    cacheWrite5m: 100,
    cacheWrite1h: 200,
    cacheRead: 1_000_003,
    thinkingTokens: 17,
    webSearches: 3,
    model: 'claude-opus-4-8',
  });
});

test('one token of the cheapest kind is not rounded away', async () => {
  const it = await stage();
  const item = await bookedItem(it, 'claude-haiku-5-5', {
    input_tokens: 0,
    output_tokens: 0,
    cache_read_input_tokens: 1,
  });
  expect(money(item.costUsd)).toBe('0.000000005');
});

test('cache writes without a split count as those of five minutes', async () => {
  const it = await stage();
  const item = await bookedItem(it, 'claude-opus-4-8', {
    input_tokens: 0,
    output_tokens: 0,
    cache_creation_input_tokens: 40,
    cache_creation: null,
  });
  expect([item.cacheWrite5m, item.cacheWrite1h]).toEqual([40, 0]);
});

test('a long prompt is priced in its band, cached input counted', async () => {
  const it = await stage();
  const usage = (input: number) => ({
    input_tokens: input,
    output_tokens: 100,
    cache_read_input_tokens: 1000,
  });
  const below = await bookedItem(it, 'claude-haiku-5-5', usage(99_000));
  const above = await bookedItem(it, 'claude-haiku-5-5', usage(99_001));
  expect(money(below.costUsd)).toBe('0.00498');
  // (99,001 × 0.50 + 100 × 2.50 + 1,000 × 0.05) / 1,000,000 / 2
  expect(money(above.costUsd)).toBe('0.02490025');
});

test('a price holds from its date on', async () => {
  const clock = new StoppedClock(new Date('2026-10-06T23:59:59Z'));
  const it = await stage({ clock });
  const usage = { input_tokens: 0, output_tokens: 0, cache_read_input_tokens: 1_000_000 };
  expect(money((await bookedItem(it, 'claude-sonnet-5-5', usage)).costUsd)).toBe('0.1');
  clock.advance(1000);
  expect(money((await bookedItem(it, 'claude-sonnet-5-5', usage)).costUsd)).toBe('0.05');
});

test('the cost of an unknown model is unknown, never zero, and said aloud', async () => {
  const it = await stage();
  const item = await bookedItem(it, 'claude-of-next-year', { input_tokens: 10, output_tokens: 10 });
  expect([item.costUsd, item.standardCostUsd]).toEqual([null, null]);
  expect(await it.core.readStats(it.caller)).toMatchObject({ unpricedItems: 1n, inputTokens: 10n });
  expect(it.log.some(({ level, message }) => level === 'error' && message.includes('cost'))).toBe(true);
});

test('the cost of an answer that does not say what it used is unknown', async () => {
  const it = await stage();
  for (const usage of [null, {}, { input_tokens: 5 }, { input: 5, output: 5 }]) {
    expect((await bookedItem(it, 'claude-opus-4-8', usage)).costUsd).toBeNull();
  }
});

test('no row of the ledger can be changed or removed', async () => {
  const it = await stage();
  await it.jobs(1);
  await it.run();
  await expect(it.db.$executeRaw`UPDATE batch_item SET cost_usd = 0`).rejects.toThrow(/never changed/);
  await expect(it.db.$executeRaw`DELETE FROM batch_item`).rejects.toThrow(/never changed/);
});
