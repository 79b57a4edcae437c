import type { BatchItem } from './envelope.ts';
import type { Outcome, OutcomeRules } from './outcomes.ts';
import { paramsProblem, type CreateContext } from './params.ts';
import { requestLine } from './request-file.ts';

export interface DecidedRequest {
  customId: string;
  outcome: Outcome;
  /** The line that keeps the request and its outcome. */
  line: string;
}

/**
 * Decides the outcome of every request of a new batch. The API judges params while it works, but from
 * the same params: to judge them at once and tell nobody before the end makes no visible difference.
 */
export function* decided(
  items: BatchItem[],
  rules: OutcomeRules,
  context: CreateContext,
): Generator<DecidedRequest> {
  for (const [index, item] of items.entries()) {
    const params = JSON.stringify(item.params);
    const outcome = decide(item, params, index, rules, context);
    yield { customId: item.custom_id, outcome, line: requestLine(item.custom_id, outcome, params) };
  }
}

/** A rule may make any request fail, but none succeed that the API would refuse. */
function decide(
  item: BatchItem,
  params: string,
  index: number,
  rules: OutcomeRules,
  context: CreateContext,
): Outcome {
  const ruled = rules.decide(item.custom_id, params, index);
  if (ruled && ruled.type !== 'succeeded') return ruled;
  const problem = paramsProblem(item.params, context);
  if (problem) return { type: 'errored', errorType: problem.type, message: problem.message };
  return ruled ?? { type: 'succeeded' };
}
