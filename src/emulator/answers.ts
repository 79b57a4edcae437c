import { fitting, MARK } from './fitting.ts';
import { derivedId } from './ids.ts';
import type { Outcome } from './outcomes.ts';
import { requestedFormat } from './params.ts';
import { Random } from './random.ts';
import { cutToTokens, tokensOf, usageOf } from './usage.ts';
import {
  asText,
  isObject,
  type ContentBlock,
  type Json,
  type JsonObject,
  type Message,
  type StopReason,
} from './wire.ts';

export interface Question {
  batchId: string;
  customId: string;
  params: JsonObject;
  seed: number;
  /** What a rule asked for, if one did. */
  outcome?: Extract<Outcome, { type: 'succeeded' }>;
}

/**
 * Makes the message that answers a request. Content and usage depend on the seed, the custom_id and
 * the params only; the message id also on the batch, since two messages never share one.
 */
export function answer(question: Question): Message {
  const { params, outcome } = question;
  const random = new Random(question.seed, question.customId, 'answer');
  const whole = content(question, random);
  const limit = typeof params['max_tokens'] === 'number' ? params['max_tokens'] : Infinity;
  const asked = outcome?.stop_reason ?? naturalStop(whole);
  const cut = asked === 'max_tokens' || tokens(whole) > limit;
  const given = cut ? whole.map((block) => shorten(block, asked, limit)) : whole;
  const stop: StopReason = cut ? 'max_tokens' : asked;
  const spent = stop === 'max_tokens' && Number.isFinite(limit) ? limit : tokens(given);
  return {
    id: derivedId('msg', question.batchId, question.customId),
    type: 'message',
    role: 'assistant',
    model: asText(params['model']),
    content: given,
    stop_reason: stop,
    stop_sequence: null,
    stop_details: stop === 'refusal' ? REFUSAL : null,
    container: null,
    diagnostics: null,
    usage: usageOf(params, stop === 'refusal' ? 1 : spent, random),
  };
}

const REFUSAL = {
  type: 'refusal',
  category: 'general_harms',
  explanation: `${MARK} The emulator was told to refuse this request.`,
} as const;

function content(question: Question, random: Random): ContentBlock[] {
  const { params, outcome } = question;
  if (outcome?.stop_reason === 'refusal') return [];
  if (outcome?.text !== undefined) return [textBlock(outcome.text)];
  if (outcome?.stop_reason === 'tool_use' || mustUseTool(params)) return [toolUse(question, random)];
  const format = requestedFormat(params);
  if (isObject(format) && isObject(format['schema'])) {
    return [textBlock(JSON.stringify(fitting(format['schema'], random)))];
  }
  return [textBlock(prose(params, random))];
}

function naturalStop(blocks: ContentBlock[]): StopReason {
  return blocks.some((block) => block.type === 'tool_use') ? 'tool_use' : 'end_turn';
}

function mustUseTool(params: JsonObject): boolean {
  const choice = params['tool_choice'];
  return isObject(choice) && (choice['type'] === 'any' || choice['type'] === 'tool');
}

function toolUse(question: Question, random: Random): ContentBlock {
  const tools = Array.isArray(question.params['tools']) ? question.params['tools'].filter(isObject) : [];
  const choice = question.params['tool_choice'];
  const wanted = isObject(choice) ? choice['name'] : undefined;
  const tool = tools.find((candidate) => candidate['name'] === wanted) ?? tools[0];
  const schema = tool && isObject(tool['input_schema']) ? tool['input_schema'] : undefined;
  return {
    type: 'tool_use',
    id: derivedId('toolu', question.batchId, question.customId),
    name: asText(tool?.['name']) || 'simulated_tool',
    input: schema ? fitting(schema, random) : {},
  };
}

function textBlock(text: string): ContentBlock {
  return { type: 'text', text, citations: null };
}

function tokens(blocks: ContentBlock[]): number {
  return tokensOf(
    blocks.map((block) => (block.type === 'text' ? block.text : JSON.stringify(block.input))).join(''),
  );
}

function shorten(block: ContentBlock, asked: StopReason, limit: number): ContentBlock {
  if (block.type !== 'text') return block;
  const half = Math.ceil(tokensOf(block.text) / 2);
  return textBlock(cutToTokens(block.text, asked === 'max_tokens' ? Math.min(half, limit) : limit));
}

const OPENINGS = ['Here is a made-up answer', 'This text stands in for an answer', 'A stand-in reply'];
const MIDDLES = [
  'No model has read the request.',
  'The wording is invented and carries no information.',
  'It only shows where the real answer would be.',
];
const ENDINGS = ['Ask the real service for real content.', 'Use it to try the plumbing, not the prose.'];

function prose(params: JsonObject, random: Random): string {
  const opening = `${random.pick(OPENINGS)} to “${excerpt(params)}”.`;
  return `${MARK} ${opening} ${random.pick(MIDDLES)} ${random.pick(ENDINGS)}`;
}

function excerpt(params: JsonObject): string {
  const messages = Array.isArray(params['messages']) ? params['messages'].filter(isObject) : [];
  const last = messages.findLast((message) => message['role'] === 'user')?.['content'];
  const words = firstText(last).slice(0, 400).replaceAll(/\s+/g, ' ').trim();
  // A cut through a surrogate pair would leave half a character.
  const start = words.slice(0, 60).replace(/[\uD800-\uDBFF]$/, '');
  return words.length > 60 ? `${start}…` : words;
}

function firstText(value: Json | undefined): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  const block = value.filter(isObject).find((candidate) => typeof candidate['text'] === 'string');
  return asText(block?.['text']);
}
