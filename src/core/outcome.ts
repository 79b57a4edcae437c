import type { ItemOutcome } from '../generated/prisma/enums.ts';
import type { JobErrorCode } from './errors.ts';
import { isJobTypeName, validateResult } from './job-types/index.ts';
import { parseExact } from './json.ts';
import type { Usage } from './pricing.ts';

/** What one line of the results says, in the ledger's words. */
export interface Answer {
  customId: string;
  outcome: ItemOutcome;
  model?: string | undefined;
  stopReason?: string | undefined;
  errorType?: string | undefined;
  errorMessage?: string | undefined;
  requestId?: string | undefined;
  /** Undefined when the answer does not say what it used: its cost is unknown then, not zero. */
  usage: Usage | undefined;
  text?: string | undefined;
}

/** What follows for the job. `retry`: the fault may pass, so the job goes back to pending while it has attempts. */
export type Verdict =
  | { end: 'completed'; result: string }
  | { end: 'failed'; code: JobErrorCode; message: string; rawText?: string | undefined }
  | { end: 'retry'; code: JobErrorCode; message: string }
  /** The provider never started it: pending again, without counting as an attempt. */
  | { end: 'again'; reason: 'expired' | 'canceled' };

/** What a line should hold; what it does hold is for the provider to say, so every part is checked before its use. */
type Loose = Record<string, unknown>;

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  cacheRead: 0,
  thinkingTokens: 0,
  webSearches: 0,
};

/**
 * Reads one line of the results; undefined when it is none. A type of result that is not known yet counts as errored
 * under its own name.
 */
export function readAnswer(line: string): Answer | undefined {
  const whole = parseLine(line);
  const customId = text(whole['custom_id']);
  const result = inside(whole, 'result');
  const outcome = text(result['type']);
  if (customId === undefined || outcome === undefined) return undefined;
  if (outcome === 'succeeded') return readMessage(customId, inside(result, 'message'));
  if (outcome === 'canceled' || outcome === 'expired') return { customId, outcome, usage: noUsage };
  // Doubly nested: result.error.type is always "error", the useful one is a level deeper.
  const outer = inside(result, 'error');
  const error = inside(outer, 'error');
  return {
    customId,
    outcome: 'errored',
    errorType: text(error['type']) ?? outcome,
    errorMessage: text(error['message']) ?? 'The provider gave no reason.',
    requestId: text(outer['request_id']),
    usage: noUsage,
  };
}

function parseLine(line: string): Loose {
  try {
    return inside({ line: JSON.parse(line) as unknown }, 'line');
  } catch {
    return {};
  }
}

function readMessage(customId: string, message: Loose): Answer {
  const blocks: unknown[] = Array.isArray(message['content']) ? message['content'] : [];
  return {
    customId,
    outcome: 'succeeded',
    model: text(message['model']),
    stopReason: text(message['stop_reason']),
    usage: readUsage(inside(message, 'usage')),
    text: blocks
      .map((block) => inside({ block }, 'block'))
      .flatMap((block) => (block['type'] === 'text' ? [text(block['text']) ?? ''] : []))
      .join(''),
  };
}

function inside(object: Loose, key: string): Loose {
  const value = object[key];
  return typeof value === 'object' && value !== null ? (value as Loose) : {};
}

/** PostgreSQL's text cannot hold U+0000, nor UTF-8 half of a surrogate pair; both become U+FFFD. */
export function storable(value: string): string {
  return value.toWellFormed().replaceAll('\0', '\uFFFD');
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? storable(value) : undefined;
}

/** Most columns of usage are null, absent or numbers, depending on the model and the API's age; two are always there. */
function readUsage(usage: Loose): Usage | undefined {
  if (!Number.isInteger(usage['input_tokens']) || !Number.isInteger(usage['output_tokens'])) return undefined;
  const number = (value: unknown): number =>
    Number.isInteger(value) ? Math.min(Math.max(value as number, 0), MAX_TOKENS) : 0;
  const writes = inside(usage, 'cache_creation');
  const cacheWrite1h = number(writes['ephemeral_1h_input_tokens']);
  return {
    inputTokens: number(usage['input_tokens']),
    outputTokens: number(usage['output_tokens']),
    cacheWrite5m: number(
      writes['ephemeral_5m_input_tokens'] ?? number(usage['cache_creation_input_tokens']) - cacheWrite1h,
    ),
    cacheWrite1h,
    cacheRead: number(usage['cache_read_input_tokens']),
    thinkingTokens: number(inside(usage, 'output_tokens_details')['thinking_tokens']),
    webSearches: number(inside(usage, 'server_tool_use')['web_search_requests']),
  };
}

/** The most that a column of the ledger holds; far beyond any model. */
const MAX_TOKENS = 2 ** 31 - 1;

/** Decides what an answer means for a job of this type. */
export function judge(answer: Answer, jobType: string): Verdict {
  switch (answer.outcome) {
    case 'succeeded':
      return judgeMessage(answer, jobType);
    case 'errored':
      return judgeError(answer);
    case 'expired':
    case 'canceled':
      return { end: 'again', reason: answer.outcome };
  }
}

function judgeMessage({ stopReason, text = '' }: Answer, jobType: string): Verdict {
  const failed = (code: JobErrorCode, message: string): Verdict => ({
    end: 'failed',
    code,
    message,
    rawText: text,
  });
  if (stopReason === 'refusal') return failed('REFUSED', 'The model refused to answer.');
  if (stopReason === 'max_tokens')
    return failed('TRUNCATED', 'The answer reached max_tokens before its end.');
  if (stopReason !== 'end_turn' && stopReason !== 'stop_sequence') {
    return failed(
      'PROVIDER_ERROR',
      `The answer stopped for the reason "${stopReason ?? 'none'}", which gives no result.`,
    );
  }
  try {
    const checked = isJobTypeName(jobType)
      ? validateResult(jobType, JSON.parse(text))
      : { ok: true as const };
    // Printed again with every number as it came, so that what is kept is certainly JSON.
    return checked.ok
      ? { end: 'completed', result: JSON.stringify(parseExact(text)) }
      : failed('OUTPUT_INVALID', checked.problems);
  } catch (error) {
    return failed('OUTPUT_INVALID', `The answer is not JSON: ${(error as Error).message}`);
  }
}

/** Faults of the moment; everything else would come again. */
const PASSING = new Set(['api_error', 'overloaded_error', 'timeout_error', 'rate_limit_error']);

function judgeError({ errorType = 'unknown', errorMessage = '' }: Answer): Verdict {
  if (PASSING.has(errorType))
    return { end: 'retry', code: 'PROVIDER_ERROR', message: `${errorType}: ${errorMessage}` };
  if (errorType === 'invalid_request_error')
    return { end: 'failed', code: 'INVALID_REQUEST', message: errorMessage };
  if (errorType === 'not_found_error')
    return { end: 'failed', code: 'MODEL_UNAVAILABLE', message: errorMessage };
  return { end: 'failed', code: 'PROVIDER_ERROR', message: `${errorType}: ${errorMessage}` };
}
