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
  usage: Usage;
  text?: string | undefined;
}

/** What follows for the job. `retry`: the fault may pass, so the job goes back to pending while it has attempts. */
export type Verdict =
  | { end: 'completed'; result: string }
  | { end: 'failed'; code: JobErrorCode; message: string; rawText?: string | undefined }
  | { end: 'retry'; code: JobErrorCode; message: string }
  /** The provider never started it: pending again, without counting as an attempt. */
  | { end: 'again'; reason: 'expired' | 'canceled' };

interface ResultLine {
  custom_id: string;
  result: {
    type: string;
    message?: {
      model?: string;
      stop_reason?: string | null;
      content?: { type: string; text?: string }[];
      usage?: Record<string, unknown>;
    };
    error?: { error?: { type?: string; message?: string }; request_id?: string | null };
  };
}

const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  cacheRead: 0,
  thinkingTokens: 0,
  webSearches: 0,
};

/** Reads one line of the results. A type of result that is not known yet counts as errored under its own name. */
export function readAnswer(line: string): Answer {
  const { custom_id: customId, result } = JSON.parse(line) as ResultLine;
  if (result.type === 'succeeded') {
    const { message = {} } = result;
    return {
      customId,
      outcome: 'succeeded',
      model: message.model,
      stopReason: message.stop_reason ?? undefined,
      usage: readUsage(message.usage ?? {}),
      text: (message.content ?? [])
        .flatMap((block) => (block.type === 'text' ? [block.text ?? ''] : []))
        .join(''),
    };
  }
  if (result.type === 'canceled' || result.type === 'expired')
    return { customId, outcome: result.type, usage: noUsage };
  // Doubly nested: result.error.type is always "error", the useful one is a level deeper.
  const { type = result.type, message = 'The provider gave no reason.' } = result.error?.error ?? {};
  const requestId = result.error?.request_id ?? undefined;
  return { customId, outcome: 'errored', errorType: type, errorMessage: message, requestId, usage: noUsage };
}

/** Usage columns are null, absent or numbers, depending on the model and the API's age. */
function readUsage(usage: Record<string, unknown>): Usage {
  const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
  const inside = (key: string): Record<string, unknown> => (usage[key] ?? {}) as Record<string, unknown>;
  const writes = inside('cache_creation');
  const cacheWrite1h = number(writes['ephemeral_1h_input_tokens']);
  return {
    inputTokens: number(usage['input_tokens']),
    outputTokens: number(usage['output_tokens']),
    cacheWrite5m: number(
      writes['ephemeral_5m_input_tokens'] ?? number(usage['cache_creation_input_tokens']) - cacheWrite1h,
    ),
    cacheWrite1h,
    cacheRead: number(usage['cache_read_input_tokens']),
    thinkingTokens: number(inside('output_tokens_details')['thinking_tokens']),
    webSearches: number(inside('server_tool_use')['web_search_requests']),
  };
}

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
