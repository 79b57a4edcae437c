import { findModel, type Model } from './models.ts';
import { schemaProblem } from './schema.ts';
import { inputTokens } from './usage.ts';
import { isObject, type Json, type JsonObject } from './wire.ts';

/** Why one request of a batch fails, in the API's terms. */
export interface ParamsProblem {
  type: string;
  message: string;
}

/** What of the create call decides how its requests are judged. */
export interface CreateContext {
  /** `anthropic-version` of the create. */
  version: string;
  /** Entries of `anthropic-beta`. */
  betas: string[];
}

type Rule = (params: JsonObject, model: Model, context: CreateContext) => string | undefined;

const SAMPLING = ['temperature', 'top_p', 'top_k'];
const NOT_IN_BATCHES = [
  'store',
  'previous_thread_event_id',
  'thread',
  'cache_hint',
  'context_hint',
  'fallbacks',
  'fallback_credit_token',
];
const KNOWN = new Set([
  ...SAMPLING,
  ...NOT_IN_BATCHES,
  'model',
  'messages',
  'max_tokens',
  'cache_control',
  'container',
  'context_management',
  'compaction',
  'diagnostics',
  'billing_policy',
  'inference_geo',
  'mcp_servers',
  'metadata',
  'output_config',
  'output_format',
  'service_tier',
  'speed',
  'stop_sequences',
  'stream',
  'system',
  'thinking',
  'tool_choice',
  'tools',
  'user_profile_id',
  'research_preview_2026_02',
]);

/**
 * Judges the params of one request, which the API does only while it works on the batch: what is
 * found here becomes an `errored` line, never a refusal of the create.
 */
export function paramsProblem(params: JsonObject, context: CreateContext): ParamsProblem | undefined {
  const missing = ['max_tokens', 'messages', 'model'].find((key) => params[key] === undefined);
  if (missing) return invalid(`${missing}: Field required`);
  const id = params['model'];
  if (typeof id !== 'string') return invalid('model: Input should be a valid string');
  const model = findModel(id);
  if (!model) return { type: 'not_found_error', message: `model: ${id}` };
  for (const rule of RULES) {
    const message = rule(params, model, context);
    if (message) return invalid(message);
  }
  return undefined;
}

function invalid(message: string): ParamsProblem {
  return { type: 'invalid_request_error', message };
}

const keysAllowed: Rule = (params) => {
  const extra = Object.keys(params).find((key) => !KNOWN.has(key));
  return extra && `${extra}: Extra inputs are not permitted`;
};

const fitForBatches: Rule = (params) => {
  if (params['stream'] === true) return 'stream: Streaming is not supported in batches';
  if (params['speed'] === 'fast') return 'speed: fast mode is not supported in batches';
  if (params['research_preview_2026_02'] === 'active')
    return 'research_preview_2026_02: not supported in batches';
  const policy = params['billing_policy'];
  if (isObject(policy) && policy['bill_to'] === 'user_profile') {
    return 'billing_policy.bill_to: user_profile is not supported in batches';
  }
  const key = NOT_IN_BATCHES.find((name) => params[name] !== undefined && params[name] !== null);
  return key && `${key}: not supported in batches`;
};

const maxTokens: Rule = (params, model, { betas }) => {
  const value = params['max_tokens'];
  if (!Number.isInteger(value)) return 'max_tokens: Input should be a valid integer';
  const asked = value as number;
  if (asked < 1) return 'max_tokens: Input should be greater than or equal to 1';
  const extended = betas.includes('output-300k-2026-03-24');
  const most = extended ? model.maxExtendedTokens : model.maxOutputTokens;
  if (asked <= most) return undefined;
  return `max_tokens: ${asked} > ${most}, which is the maximum allowed number of output tokens for ${model.id}`;
};

const sampling: Rule = (params, model, { version }) => {
  const key = SAMPLING.find((name) => params[name] !== undefined);
  if (!key) return undefined;
  if (version >= '2026-10-21') return `${key}: Extra inputs are not permitted`;
  return model.generation > 4.6 ? `${key}: not supported for this model` : undefined;
};

const messages: Rule = (params, model, { version }) => {
  const list = params['messages'];
  if (!Array.isArray(list)) return 'messages: Input should be a valid list';
  if (list.length === 0) return 'messages: at least one message is required';
  if (list.length > 100_000) return 'messages: List should have at most 100000 items';
  for (const [index, message] of list.entries()) {
    const problem = messageProblem(message, `messages.${index}`, version);
    if (problem) return problem;
  }
  const last = list.at(-1);
  if (isObject(last) && last['role'] === 'assistant' && model.generation >= 4.6) {
    return 'This model does not support assistant message prefill. The conversation must end with a user message.';
  }
  return undefined;
};

function messageProblem(message: Json, at: string, version: string): string | undefined {
  if (!isObject(message)) return `${at}: Input should be a valid dictionary`;
  const { role, content } = message;
  if (role !== 'user' && role !== 'assistant' && role !== 'system') {
    return `${at}.role: Input should be 'user', 'assistant' or 'system'`;
  }
  if (content === undefined) return `${at}.content: Field required`;
  if (typeof content === 'string') {
    return content === '' ? `${at}: ${role} messages must have non-empty content` : undefined;
  }
  if (!Array.isArray(content)) return `${at}.content: Input should be a valid list`;
  for (const [index, block] of content.entries()) {
    const where = `${at}.content.${index}`;
    if (!isObject(block) || typeof block['type'] !== 'string') return `${where}.type: Field required`;
    if (version >= '2026-10-21') {
      const cites = Array.isArray(block['citations']) && block['citations'].length > 0;
      if (role === 'assistant' && block['type'] === 'document')
        return `${where}: document blocks are not permitted`;
      if (role === 'user' && block['type'] === 'text' && cites) return `${where}.citations: must be empty`;
    }
  }
  return undefined;
}

const thinking: Rule = (params, model) => {
  const type = isObject(params['thinking']) ? params['thinking']['type'] : undefined;
  if (type === 'enabled' && model.generation >= 4.7) {
    return 'thinking.type.enabled: not supported for this model; use adaptive thinking';
  }
  const always = model.family === 'fable' || (model.family === 'opus' && model.generation >= 5.5);
  return type === 'disabled' && always ? 'thinking.type.disabled: not supported for this model' : undefined;
};

const toolChoice: Rule = (params, model) => {
  const choice = params['tool_choice'];
  if (!isObject(choice) || (choice['type'] !== 'any' && choice['type'] !== 'tool')) return undefined;
  if (!Array.isArray(params['tools'])) return 'tool_choice: may only be specified while providing tools';
  const from: Partial<Record<Model['family'], number>> = { fable: 5.1, mythos: 5.1, opus: 5.5, sonnet: 5.5 };
  const refused = model.generation >= (from[model.family] ?? Infinity);
  return refused ? `tool_choice.type: '${choice['type']}' is not supported for this model` : undefined;
};

const serviceTier: Rule = (params) => {
  const tier = params['service_tier'];
  if (tier === undefined || tier === 'auto' || tier === 'standard_only') return undefined;
  return "service_tier: Input should be 'auto' or 'standard_only'";
};

const outputFormat: Rule = (params) => {
  const format = requestedFormat(params);
  if (format === undefined) return undefined;
  if (!isObject(format) || format['type'] !== 'json_schema') {
    return "output_config.format.type: Input should be 'json_schema'";
  }
  return schemaProblem(format['schema']);
};

const promptLength: Rule = (params, model) => {
  const tokens = inputTokens(params);
  if (tokens <= model.contextTokens) return undefined;
  return `prompt is too long: ${tokens} tokens > ${model.contextTokens} maximum`;
};

const RULES: Rule[] = [
  sampling,
  keysAllowed,
  fitForBatches,
  maxTokens,
  messages,
  thinking,
  toolChoice,
  serviceTier,
  outputFormat,
  promptLength,
];

/** The output format asked for, under today's name or under the older `output_format`. */
export function requestedFormat(params: JsonObject): Json | undefined {
  const config = params['output_config'];
  const format = isObject(config) ? config['format'] : undefined;
  return format ?? params['output_format'] ?? undefined;
}
