/** A whole number, or what keeps a value from being one. */
export type IntegerResult = bigint | { type: string; message: string };

const refuse = (type: string, message: string): IntegerResult => ({ type, message });
const NO_INTEGER = refuse('int_type', 'Input should be a valid integer');
const NOT_FINITE = refuse('finite_number', 'Input should be a finite number');
const FRACTION = refuse(
  'int_from_float',
  'Input should be a valid integer, got a number with a fractional part',
);
const UNREADABLE = refuse(
  'int_parsing',
  'Input should be a valid integer, unable to parse string as an integer',
);
const TOO_LONG = refuse(
  'int_parsing_size',
  'Unable to parse input string as an integer, exceeded maximum size',
);

/** Python's limit for the digits of an integer read from text. */
const MAX_DIGITS = 4300;
/**
 * Digits with underscores, and a fraction of zeros. Where underscores may stand is looked at apart: a group repeated
 * for each of them takes stack for each, and a text of some megabytes exhausts it.
 */
const TEXT = /^([+-]?)([\d_]+)(?:\.0+)?$/;
const MISPLACED = /^_|__|_$/;

const BLANK = /\p{White_Space}/u;

/** Reads an integer as leniently as Pydantic: from booleans, whole floats, and text with a sign, blanks or underscores. */
export function toInteger(input: unknown): IntegerResult {
  if (typeof input === 'boolean') return input ? 1n : 0n;
  if (typeof input === 'string') return fromText(input);
  const source = numberSource(input);
  if (source === undefined) return NO_INTEGER;
  if (/^-?\d+$/.test(source)) return BigInt(source);
  const value = Number(source);
  if (!Number.isFinite(value)) return NOT_FINITE;
  if (!Number.isInteger(value)) return FRACTION;
  return Math.abs(value) < 2 ** 63 ? BigInt(value) : TOO_LONG;
}

/** The text that a number was written as; undefined for anything else. */
export function numberSource(input: unknown): string | undefined {
  if (typeof input === 'number') return String(input);
  return JSON.isRawJSON(input) ? JSON.stringify(input) : undefined;
}

function fromText(input: string): IntegerResult {
  const match = TEXT.exec(trim(input));
  if (!match || MISPLACED.test(match[2]!)) return UNREADABLE;
  const written = match[2]!.replace(/^[0_]+(?=\d)/, '');
  // Every other character is a digit at least; taking out millions of underscores would take a second.
  if (written.length > 2 * MAX_DIGITS) return TOO_LONG;
  const digits = written.replaceAll('_', '');
  if (digits.length > MAX_DIGITS) return TOO_LONG;
  const magnitude = BigInt(digits);
  return match[1] === '-' ? -magnitude : magnitude;
}

/** Unicode's white space, which is not quite what `String.trim` takes for it. By hand: as a regex it is quadratic. */
function trim(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && BLANK.test(text[start]!)) start += 1;
  while (end > start && BLANK.test(text[end - 1]!)) end -= 1;
  return text.slice(start, end);
}
