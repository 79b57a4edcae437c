import { asText, type JsonObject, type StopReason } from './wire.ts';

/** What is decided about one request when its batch is accepted. */
export type Outcome =
  | { type: 'errored'; errorType: string; message?: string }
  /** Never started: its batch stays in progress until 24 h are over (or it is canceled). */
  | { type: 'expired' }
  | { type: 'succeeded'; stop_reason?: StopReason; text?: string };

export interface OutcomeRule {
  /** Every condition that is given must hold; none given matches every request. */
  match?: {
    /** Regular expression, tested against the custom_id. */
    customId?: string;
    /** Substring of the serialized params. */
    contains?: string;
    /** Index within the batch, from 0. */
    nth?: number;
  };
  outcome: Outcome;
  /** How many requests it may decide; without it, any number. */
  times?: number;
}

interface ArmedRule {
  rule: OutcomeRule;
  pattern: RegExp | undefined;
  left: number;
}

/**
 * Rules that decide outcomes in advance. They are applied when a batch is accepted, and the decision
 * is stored with the request: rules added later change no batch that exists already.
 */
export class OutcomeRules {
  readonly #armed: ArmedRule[] = [];

  add(rules: OutcomeRule[]): void {
    for (const rule of rules) {
      const pattern = rule.match?.customId === undefined ? undefined : new RegExp(rule.match.customId);
      this.#armed.push({ rule, pattern, left: rule.times ?? Infinity });
    }
  }

  clear(): void {
    this.#armed.length = 0;
  }

  /** The first rule that matches decides, and one of its times is used up. */
  decide(customId: string, params: string, index: number): Outcome | undefined {
    const armed = this.#armed.find((a) => a.left > 0 && matches(a, customId, params, index));
    if (!armed) return undefined;
    armed.left -= 1;
    return armed.rule.outcome;
  }
}

function matches(armed: ArmedRule, customId: string, params: string, index: number): boolean {
  const match = armed.rule.match ?? {};
  if (armed.pattern && !armed.pattern.test(customId)) return false;
  if (match.contains !== undefined && !params.includes(match.contains)) return false;
  return match.nth === undefined || match.nth === index;
}

const ERROR_TYPES = 'errored, expired, succeeded';

/** Reads rules that came over HTTP; throws a TypeError that says what is wrong. */
export function readOutcomeRules(body: unknown): OutcomeRule[] {
  const list = Array.isArray(body) ? body : [body];
  for (const rule of list as JsonObject[]) {
    const outcome = rule?.['outcome'] as JsonObject | undefined;
    const type = asText(outcome?.['type']);
    if (!ERROR_TYPES.split(', ').includes(type)) throw new TypeError(`outcome.type: one of ${ERROR_TYPES}`);
    if (type === 'errored' && typeof outcome?.['errorType'] !== 'string') {
      throw new TypeError('outcome.errorType: the error type to report, e.g. api_error');
    }
  }
  return list as OutcomeRule[];
}
