import type { Random } from './random.ts';
import { isObject, type Json, type JsonObject, type Usage } from './wire.ts';

/** Bytes of UTF-8 per token. A rough figure that holds for Latin text; what matters is that it is stable. */
const BYTES_PER_TOKEN = 3.5;
/** Prompts below this are silently not cached. */
const LEAST_CACHEABLE_TOKENS = 1024;

export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/** Text of at most that many tokens, cut from the front of `text`. */
export function cutToTokens(text: string, tokens: number): string {
  if (tokensOf(text) <= tokens) return text;
  const bytes = Buffer.from(text).subarray(0, Math.floor(tokens * BYTES_PER_TOKEN));
  // A character cut in half decodes to U+FFFD: leave it out.
  return bytes.toString().replace(/\uFFFD$/u, '');
}

/** Estimated input tokens of a request: system, messages, tools. */
export function inputTokens(params: JsonObject): number {
  const parts = [params['system'], params['messages'], params['tools']];
  const bytes = parts.reduce((sum: number, part) => sum + textBytes(part), 0);
  const tools = Array.isArray(params['tools']) && params['tools'].length > 0 ? 290 : 0;
  return Math.ceil(bytes / BYTES_PER_TOKEN) + tools + 4;
}

function textBytes(value: Json | undefined): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + textBytes(item), 0);
  if (isObject(value)) return textBytes(Object.values(value));
  return 0;
}

/**
 * Usage of one answered request. With a cache breakpoint in system or messages, the prompt counts as
 * read from the cache for most requests and as written to it for the rest: in a batch hits are best effort.
 */
export function usageOf(params: JsonObject, outputTokens: number, random: Random): Usage {
  const total = inputTokens(params);
  const ttl = cacheTtl([params['system'] ?? null, params['messages'] ?? null, params['tools'] ?? null]);
  const cached = ttl && total >= LEAST_CACHEABLE_TOKENS ? Math.floor(total * 0.9) : 0;
  const hit = random.next() < 0.7;
  const written = hit ? 0 : cached;
  return {
    input_tokens: total - cached,
    output_tokens: outputTokens,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: hit ? cached : 0,
    cache_creation: {
      ephemeral_5m_input_tokens: ttl === '5m' ? written : 0,
      ephemeral_1h_input_tokens: ttl === '1h' ? written : 0,
    },
    output_tokens_details: { thinking_tokens: 0 },
    server_tool_use: null,
    service_tier: 'batch',
    inference_geo: typeof params['inference_geo'] === 'string' ? params['inference_geo'] : null,
    speed: 'standard',
  };
}

function cacheTtl(value: Json): '5m' | '1h' | undefined {
  if (Array.isArray(value)) return value.map(cacheTtl).find((ttl) => ttl);
  if (!isObject(value)) return undefined;
  const control = value['cache_control'];
  if (isObject(control)) return control['ttl'] === '1h' ? '1h' : '5m';
  return cacheTtl(Object.values(value));
}
