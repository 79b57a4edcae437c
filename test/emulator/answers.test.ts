import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import type { ResultLine, RunningEmulator } from '../../src/emulator/index.ts';
import { emulate, runBatch, someRequests, type BatchRequest } from './setup.ts';

const PERSON = {
  type: 'object',
  additionalProperties: false,
  required: [
    'name',
    'age',
    'born',
    'role',
    'kind',
    'tags',
    'home',
    'note',
    'either',
    'confidence',
    'active',
    'grade',
  ],
  properties: {
    name: { type: 'string', description: 'Full name of the person' },
    age: { type: 'integer' },
    born: { type: 'string', format: 'date' },
    role: { enum: ['admin', 'guest'] },
    kind: { const: 'person' },
    tags: { type: 'array', items: { type: 'string' }, minItems: 1 },
    home: { $ref: '#/$defs/address' },
    note: { type: ['string', 'null'] },
    either: { anyOf: [{ type: 'integer' }, { $ref: '#/$defs/address' }, { type: 'null' }] },
    confidence: { type: 'number' },
    active: { type: 'boolean' },
    grade: { type: 'number', description: 'Grade from 1 to 6' },
  },
  $defs: {
    address: {
      type: 'object',
      additionalProperties: false,
      required: ['city'],
      properties: { city: { type: 'string' }, nothing: { type: 'null' } },
    },
  },
};
const STRUCTURED = { output_config: { format: { type: 'json_schema', schema: PERSON } } };

function messageOf(result: ResultLine['result'] | undefined) {
  if (result?.type !== 'succeeded') throw new Error(`not succeeded: ${JSON.stringify(result)}`);
  return result.message;
}

function textOf(result: ResultLine['result'] | undefined): string {
  const block = messageOf(result).content[0];
  return block?.type === 'text' ? block.text : '';
}

async function textsOf(emulator: RunningEmulator, requests: BatchRequest[]): Promise<Map<string, string>> {
  const { results } = await runBatch(emulator, requests);
  return new Map([...results].map(([id, result]) => [id, textOf(result)]));
}

test('a requested schema is met by every answer, and its texts are marked as simulated', async () => {
  const emulator = await emulate();
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(PERSON);
  for (const text of (await textsOf(emulator, someRequests(40, STRUCTURED))).values()) {
    const value = JSON.parse(text);
    validate(value);
    expect(validate.errors).toBeNull();
    expect(value.name).toMatch(/^\[simulated\] .*\bname\b/);
    expect(value.tags.length).toBeLessThanOrEqual(4);
    expect(value.born).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(value.confidence).toBeLessThanOrEqual(1);
    expect(value.grade).toBeGreaterThanOrEqual(1);
    expect(value.grade).toBeLessThanOrEqual(6);
  }
});

test('without a schema the answer is a text that says it is simulated and names the question', async () => {
  const texts = await textsOf(await emulate(), someRequests(1));
  expect(texts.get('r-0')).toMatch(/^\[simulated\] .*Question 0: why is the sky blue/);
});

test('answers depend on the seed and the custom_id, not on the run', async () => {
  const requests = someRequests(10, STRUCTURED);
  const first = await textsOf(await emulate({ seed: 7 }), requests);
  const same = await textsOf(await emulate({ seed: 7 }), requests);
  const other = await textsOf(await emulate({ seed: 8 }), requests);
  expect(same).toEqual(first);
  expect(other).not.toEqual(first);
  expect(new Set(first.values()).size).toBe(10);
});

test('usage has every key, counts input by its length, and is of the batch tier', async () => {
  const content = 'x'.repeat(7000);
  const { results } = await runBatch(
    await emulate(),
    someRequests(1, { messages: [{ role: 'user', content }] }),
  );
  const message = messageOf(results.get('r-0'));
  expect(message).toMatchObject({
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-5',
    stop_reason: 'end_turn',
  });
  expect(message.usage).toEqual({
    input_tokens: expect.any(Number),
    output_tokens: expect.any(Number),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens_details: { thinking_tokens: 0 },
    server_tool_use: null,
    service_tier: 'batch',
    inference_geo: null,
    speed: 'standard',
  });
  expect(message.usage.input_tokens).toBeGreaterThan(1990);
  expect(message.usage.input_tokens).toBeLessThan(2020);
});

test('a cached prompt is read by most requests and written by the others', async () => {
  const system = [
    { type: 'text', text: 'y'.repeat(20_000), cache_control: { type: 'ephemeral', ttl: '1h' } },
  ];
  const { results } = await runBatch(await emulate(), someRequests(40, { system }));
  const usages = [...results.values()].map((result) => messageOf(result).usage);
  const reads = usages.filter((usage) => usage.cache_read_input_tokens > 0);
  const writes = usages.filter((usage) => usage.cache_creation.ephemeral_1h_input_tokens > 0);
  expect(reads.length).toBeGreaterThan(writes.length);
  expect(reads.length + writes.length).toBe(40);
});

test('an answer longer than max_tokens is cut and says so', async () => {
  const { results } = await runBatch(await emulate(), someRequests(1, { max_tokens: 5 }));
  expect(messageOf(results.get('r-0'))).toMatchObject({
    stop_reason: 'max_tokens',
    usage: { output_tokens: 5 },
  });
  expect(textOf(results.get('r-0')).length).toBeLessThanOrEqual(18);
});

test('a forced tool is called with input that fits its schema', async () => {
  const tools = [{ name: 'save_person', input_schema: PERSON }];
  const forced = someRequests(1, { tools, tool_choice: { type: 'tool', name: 'save_person' } });
  const { results } = await runBatch(await emulate(), forced);
  const message = messageOf(results.get('r-0'));
  expect(message).toMatchObject({
    stop_reason: 'tool_use',
    content: [{ type: 'tool_use', name: 'save_person' }],
  });
  const block = message.content[0];
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(PERSON);
  expect(block?.type === 'tool_use' && validate(block.input)).toBe(true);
});
