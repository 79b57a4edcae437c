import Anthropic from '@anthropic-ai/sdk';
import { expect, test } from 'vitest';
import { allResults, clientOf, emulate, LONG_ENOUGH, runBatch, someRequests } from './setup.ts';

const schema = (value: unknown) => ({ output_config: { format: { type: 'json_schema', schema: value } } });
const INVALID = 'invalid_request_error';

const BAD_PARAMS: [string, Record<string, unknown>, string, RegExp][] = [
  ['no model', { model: undefined }, INVALID, /^model: Field required/],
  ['an unknown model', { model: 'gpt-9' }, 'not_found_error', /^model: gpt-9/],
  ['a retired model', { model: 'claude-3-opus-20240229' }, 'not_found_error', /^model: /],
  ['no max_tokens', { max_tokens: undefined }, INVALID, /^max_tokens: Field required/],
  ['max_tokens 0', { max_tokens: 0 }, INVALID, /greater than or equal to 1/],
  [
    'max_tokens over the model’s limit',
    { model: 'claude-opus-4-8', max_tokens: 9_999_999 },
    INVALID,
    /^max_tokens: 9999999 > 128000, which is the maximum allowed number of output tokens for claude-opus-4-8$/,
  ],
  ['no messages', { messages: undefined }, INVALID, /^messages: Field required/],
  ['empty messages', { messages: [] }, INVALID, /at least one message/],
  ['an unknown role', { messages: [{ role: 'robot', content: 'hi' }] }, INVALID, /^messages.0.role/],
  ['streaming', { stream: true }, INVALID, /^stream: /],
  ['fast mode', { speed: 'fast' }, INVALID, /^speed: /],
  ['fallbacks', { fallbacks: [{}] }, INVALID, /^fallbacks: /],
  ['an unknown key', { colour: 'red' }, INVALID, /^colour: Extra inputs are not permitted$/],
  ['a temperature', { temperature: 1 }, INVALID, /^temperature: Extra inputs are not permitted$/],
  [
    'prefill',
    {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: '{' },
      ],
    },
    INVALID,
    /prefill/,
  ],
  ['thinking by budget', { thinking: { type: 'enabled', budget_tokens: 2000 } }, INVALID, /^thinking/],
  ['an unknown service tier', { service_tier: 'priority' }, INVALID, /^service_tier/],
  [
    'a schema that is not closed',
    schema({ type: 'object', properties: {} }),
    INVALID,
    /additionalProperties/,
  ],
  ['a length limit', schema({ type: 'string', maxLength: 3 }), INVALID, /'maxLength' is not supported/],
  [
    'a recursive schema',
    schema({ $ref: '#/$defs/a', $defs: { a: { type: 'array', items: { $ref: '#/$defs/a' } } } }),
    INVALID,
    /circular/,
  ],
  [
    'a prompt that is too long',
    { messages: [{ role: 'user', content: 'x'.repeat(4_000_000) }] },
    INVALID,
    /^prompt is too long/,
  ],
];

test('params are judged late: bad ones are errored lines with a doubly nested error, and harm nobody else', async () => {
  const emulator = await emulate();
  const bad = BAD_PARAMS.map(([, extra], i) => ({ ...someRequests(1, extra)[0]!, custom_id: `bad-${i}` }));
  const { batch, results } = await runBatch(emulator, [...bad, ...someRequests(2)]);
  expect(batch.request_counts).toMatchObject({ errored: BAD_PARAMS.length, succeeded: 2 });
  const seen = BAD_PARAMS.map(([name], i) => [name, results.get(`bad-${i}`)]);
  const expected = BAD_PARAMS.map(([name, , type, message]) => {
    const error = { type, message: expect.stringMatching(message) };
    return [name, { type: 'errored', error: { type: 'error', error } }];
  });
  expect(seen).toMatchObject(expected);
  const ids = [...results.values()].map((r) => (r.type === 'errored' ? r.error.request_id : undefined));
  expect(ids).toContain(null);
  expect(ids).toContainEqual(expect.stringMatching(/^req_/));
});

test('the older API version still takes a temperature on models that know it', async () => {
  const emulator = await emulate();
  const client = new Anthropic({
    apiKey: 'key-one',
    baseURL: emulator.url,
    maxRetries: 0,
    defaultHeaders: { 'anthropic-version': '2023-06-01' },
  });
  const old = someRequests(1, { model: 'claude-sonnet-4-6', temperature: 0.2 });
  const { id } = await client.messages.batches.create({ requests: old });
  await emulator.advance(LONG_ENOUGH);
  expect((await client.messages.batches.retrieve(id)).request_counts.succeeded).toBe(1);
});

test('the beta for long outputs raises the limit of max_tokens', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const requests = someRequests(1, { max_tokens: 300_000 });
  const { id } = await client.beta.messages.batches.create({ betas: ['output-300k-2026-03-24'], requests });
  await emulator.advance(LONG_ENOUGH);
  expect((await client.messages.batches.retrieve(id)).request_counts.succeeded).toBe(1);
});

test('rules decide outcomes: errors, refusals, tool use, cut texts, and only as often as they say', async () => {
  const emulator = await emulate({
    outcomes: [
      { match: { customId: '^r-0$' }, outcome: { type: 'errored', errorType: 'overloaded_error' } },
      { match: { nth: 1 }, outcome: { type: 'succeeded', stop_reason: 'refusal' } },
      { match: { contains: 'Question 2' }, outcome: { type: 'succeeded', stop_reason: 'tool_use' } },
      { match: { nth: 3 }, outcome: { type: 'succeeded', stop_reason: 'max_tokens' } },
      { match: { nth: 4 }, outcome: { type: 'succeeded', stop_reason: 'pause_turn', text: 'As told.' } },
    ],
  });
  emulator.addOutcomes([{ outcome: { type: 'errored', errorType: 'api_error' }, times: 2 }]);
  const { results } = await runBatch(emulator, someRequests(8));
  const message = (i: number) => {
    const result = results.get(`r-${i}`);
    return result?.type === 'succeeded' ? result.message : undefined;
  };
  expect(results.get('r-0')).toMatchObject({ error: { error: { type: 'overloaded_error' } } });
  expect(message(1)).toMatchObject({
    content: [],
    stop_reason: 'refusal',
    stop_details: { type: 'refusal' },
  });
  expect(message(2)).toMatchObject({ content: [{ type: 'tool_use' }], stop_reason: 'tool_use' });
  expect(message(3)).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 1024 } });
  expect(message(4)).toMatchObject({ content: [{ text: 'As told.' }], stop_reason: 'pause_turn' });
  expect([5, 6, 7].map((i) => results.get(`r-${i}`)?.type)).toEqual(['errored', 'errored', 'succeeded']);
});

test('a request told to expire keeps its batch open for 24 hours', async () => {
  const emulator = await emulate({ outcomes: [{ match: { nth: 0 }, outcome: { type: 'expired' } }] });
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(3) });
  await emulator.advance(LONG_ENOUGH);
  expect((await client.messages.batches.retrieve(id)).processing_status).toBe('in_progress');
  await emulator.advance(24 * 3_600_000);
  const { request_counts } = await client.messages.batches.retrieve(id);
  expect(request_counts).toMatchObject({ expired: 1, succeeded: 2 });
  const results = await allResults(client, id);
  expect(results.find((line) => line.result.type === 'expired')?.custom_id).toBe('r-0');
});
