import { ValidationError } from './errors.ts';

declare global {
  interface JSON {
    /** A value that JSON.stringify prints as exactly this text (ECMAScript proposal "JSON.parse source text access"). */
    rawJSON(text: string): unknown;
    isRawJSON(value: unknown): boolean;
  }
}

/**
 * Whatever may be a number that JavaScript prints otherwise: a trailing zero behind the point, an exponent, more than
 * 15 digits, minus zero, or very small. Strings may match too; that costs time only. Most payloads hold none, and
 * JSON.parse without a reviver is many times as fast (5 MB of small values: 0.05 s against 1.2 s).
 */
const UNUSUAL_NUMBER = /\.\d*0(?!\d)|\d[eE]|\d[\d.]{15}|-0(?![.\d])|0\.000000/;

/**
 * Parses JSON without changing a number: one that JavaScript would print otherwise (1.0, 1e3, 12345678901234567890)
 * becomes a raw JSON value that `JSON.stringify` prints as it came. Throws SyntaxError on what is not JSON, and
 * ValidationError on numbers beyond the range of a double (1e400), which most readers of JSON turn into infinity.
 */
export function parseExact(text: string): unknown {
  if (!UNUSUAL_NUMBER.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) => {
    if (typeof value !== 'number' || context?.source === undefined || String(value) === context.source)
      return value;
    if (!Number.isFinite(value))
      throw new ValidationError('payload', `The number ${context.source} is out of range.`);
    return JSON.rawJSON(context.source);
  });
}

/**
 * One text for all JSON texts that say the same: object keys sorted, no blanks, numbers as they were written (1.0 and
 * 1 differ, since a client that changes one into the other has changed its content).
 */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return JSON.stringify(value);
  const object = value as Record<string, unknown>;
  const members = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`);
  return `{${members.join(',')}}`;
}
