import type { ErrorCode } from '../core/index.ts';
import { fault, refusal, unprocessable, type Answer } from './answers.ts';
import type { Refusal } from './operations.ts';
import { valueError } from './validation/problems.ts';

type Say = (refused: Pick<Refusal, 'code' | 'message'>) => Answer;

const withCode =
  (status: number): Say =>
  ({ code, message }) =>
    refusal(status, { code, message });

/** What each code becomes here. The first three say what the legacy service said; the others it did not know. */
const answers = {
  NOT_FOUND: ({ message }) => refusal(404, message),
  FORBIDDEN: () => forbidden,
  VALIDATION: ({ message }) => unprocessable([valueError(['body'], message, null)]),
  IDEMPOTENCY_CONFLICT: withCode(409),
  JOB_NOT_FINISHED: withCode(409),
  ALREADY_FINISHED: withCode(409),
  COUNT_CHANGED: withCode(409),
  TOO_LARGE: withCode(413),
  CURSOR_INVALID: ({ message }) => unprocessable([valueError(['query', 'cursor'], message, null)]),
  FILTER_NOT_SUPPORTED: ({ message }) => unprocessable([valueError(['query'], message, null)]),
  QUOTA_EXCEEDED: withCode(429),
  RATE_LIMITED: withCode(429),
  QUEUE_PAUSED: withCode(409),
  PROVIDER_UNAVAILABLE: withCode(503),
  MODEL_UNAVAILABLE: withCode(422),
} satisfies Record<ErrorCode, Say>;

/** The key lacks a scope. */
export const forbidden: Answer = refusal(403, 'Not enough permissions');

/** The answer to an error code; one that is not in the closed list is a fault of ours. */
export function answerFor(refused: Pick<Refusal, 'code' | 'message'>): Answer {
  return isErrorCode(refused.code) ? answers[refused.code](refused) : fault;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(answers, code);
}
