import { parseDateTime, fromUnix } from './datetime.ts';
import { numberSource, toInteger } from './integer.ts';
import { valueError, type Place, type Problems } from './problems.ts';

/** A JSON Schema, as OpenAPI 3.1 has it, with the keywords in use here. */
export interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  description?: string;
  anyOf?: readonly Schema[];
  enum?: readonly string[];
  items?: Schema;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  additionalProperties?: boolean | Schema;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  default?: unknown;
  example?: unknown;
}

/** What a value must be: for the validator, and for the OpenAPI document. */
export interface FieldType<Value> {
  schema: Schema;
  /** The value as the service sees it, or undefined with at least one problem added. */
  read(input: unknown, loc: Place, problems: Problems): Value | undefined;
}

/** One named value of a body, a query or the headers. */
export interface Field<Value> {
  type: FieldType<Value>;
  /** Taken when the field is left out; a field without one is required. */
  default?: Value;
  description: string;
}

/** Fields by name; their order is the order in which problems are reported. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values that a set of fields reads. */
export type Values<F extends Fields> = {
  [Name in keyof F]: F[Name] extends Field<infer Value> ? Value : never;
};

/** A whole number within limits. */
export function integer({ ge, le }: { ge?: number; le?: number } = {}): FieldType<number> {
  return {
    schema: {
      type: 'integer',
      ...(le !== undefined && { maximum: le }),
      ...(ge !== undefined && { minimum: ge }),
    },
    read(input, loc, problems) {
      const value = toInteger(input);
      if (typeof value !== 'bigint') return problems.add(value.type, loc, value.message, input);
      if (ge !== undefined && value < ge) {
        const message = `Input should be greater than or equal to ${ge}`;
        return problems.add('greater_than_equal', loc, message, input, { ge });
      }
      if (le !== undefined && value > le) {
        return problems.add('less_than_equal', loc, `Input should be less than or equal to ${le}`, input, {
          le,
        });
      }
      return Number(value);
    },
  };
}

/** A string; its length is counted in code points. */
export function string({ maxLength }: { maxLength?: number } = {}): FieldType<string> {
  return {
    schema: { type: 'string', ...(maxLength !== undefined && { maxLength }) },
    read(input, loc, problems) {
      if (typeof input !== 'string') {
        return problems.add('string_type', loc, 'Input should be a valid string', input);
      }
      if (!input.isWellFormed()) {
        const message = 'Input should be a valid string, unable to parse raw data as a unicode string';
        return problems.add('string_unicode', loc, message, input);
      }
      if (maxLength !== undefined && codePoints(input) > maxLength) {
        return problems.add(
          'string_too_long',
          loc,
          `String should have at most ${maxLength} characters`,
          input,
          {
            max_length: maxLength,
          },
        );
      }
      return input;
    },
  };
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** One of a closed list of words; `reference` names it in the OpenAPI document. */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  reference: string,
): FieldType<Word> & { reference: string; words: readonly Word[] } {
  const quoted = words.map((word) => `'${word}'`);
  const expected = `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
  return {
    reference,
    words,
    schema: { $ref: `#/components/schemas/${reference}` },
    read: (input, loc, problems) =>
      words.find((word) => word === input) ??
      problems.add('enum', loc, `Input should be ${expected}`, input, { expected }),
  };
}

/** A date and time; stored in milliseconds. */
export const dateTime: FieldType<Date> = {
  schema: { type: 'string', format: 'date-time' },
  read(input, loc, problems) {
    const source = numberSource(input);
    const overflow = source !== undefined && /^-?\d{309,}$/.test(source);
    if ((typeof input !== 'string' && source === undefined) || overflow) {
      return problems.add('datetime_type', loc, 'Input should be a valid datetime', input);
    }
    const result = typeof input === 'string' ? parseDateTime(input) : fromUnix(Number(source));
    if (result instanceof Date) {
      const year = result.getUTCFullYear();
      if (year >= 1 && year <= 9999) return result;
      problems.list.push(valueError(loc, 'the time must lie in the years 1 to 9999 in UTC', input));
      return undefined;
    }
    const { type, error } = result;
    const expected = type === 'datetime_parsing' ? 'datetime' : 'datetime or date';
    return problems.add(type, loc, `Input should be a valid ${expected}, ${error}`, input, { error });
  },
};

/** Any JSON object. Python takes NaN and infinite numbers for JSON; nobody else does, so they are refused. */
export const anyObject: FieldType<Record<string, unknown>> = {
  schema: { type: 'object', additionalProperties: true },
  read(input, loc, problems) {
    if (!isObject(input)) return problems.add('dict_type', loc, 'Input should be a valid dictionary', input);
    const place = findNonFinite(input);
    if (!place) return input;
    return problems.add('finite_number', [...loc, ...place], 'Input should be a finite number', null);
  },
};

/** Where, within the value, the first such number stands. */
function findNonFinite(value: unknown): Place | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : [];
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return undefined;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const found = findNonFinite(value[index]);
      if (found) return [index, ...found];
    }
    return undefined;
  }
  for (const [key, item] of Object.entries(value)) {
    const found = findNonFinite(item);
    if (found) return [key, ...found];
  }
  return undefined;
}

/**
 * So many wrong items of a list are told. A row has some 300 bytes: millions of them, out of one body of ten megabytes,
 * would be an answer that does not fit into memory.
 */
const MAX_WRONG = 1000;

/** A list whose items are all of one type. */
export function listOf<Item>(items: FieldType<Item>): FieldType<Item[]> {
  return {
    schema: { type: 'array', items: items.schema },
    read(input, loc, problems) {
      if (!Array.isArray(input)) {
        return problems.add('list_type', loc, 'Input should be a valid list', input);
      }
      const values: Item[] = [];
      let wrong = 0;
      for (const [index, item] of input.entries()) {
        const value = items.read(item, [...loc, index], problems);
        if (value !== undefined) values.push(value);
        else if ((wrong += 1) === MAX_WRONG) break;
      }
      return wrong > 0 ? undefined : values;
    },
  };
}

/** The type, or null. */
export function nullable<Value>(type: FieldType<Value>): FieldType<Value | null> {
  return {
    schema: { anyOf: [type.schema, { type: 'null' }] },
    read: (input, loc, problems) => (input === null ? null : type.read(input, loc, problems)),
  };
}

/** Reads all fields of a JSON object; undefined, with problems added, unless every one is right. */
export function readBody<F extends Fields>(
  fields: F,
  body: unknown,
  problems: Problems,
): Values<F> | undefined {
  const loc = ['body'];
  if (body === undefined || body === null) return problems.add('missing', loc, 'Field required', null);
  if (!isObject(body)) {
    const message = 'Input should be a valid dictionary or object to extract fields from';
    return problems.add('model_attributes_type', loc, message, body);
  }
  return readFields(
    fields,
    loc,
    problems,
    (name) => (Object.hasOwn(body, name) ? body[name] : undefined),
    body,
  );
}

/** Reads fields that come one by one, as a query or headers; one that is missing has no enclosing value to show. */
export function readFields<F extends Fields>(
  fields: F,
  loc: Place,
  problems: Problems,
  find: (name: string) => unknown,
  enclosing: unknown = null,
): Values<F> | undefined {
  const before = problems.list.length;
  const values: Record<string, unknown> = {};
  for (const [name, { type, default: fallback }] of Object.entries(fields)) {
    const input = find(name);
    if (input !== undefined) values[name] = type.read(input, [...loc, name], problems);
    else if (fallback !== undefined) values[name] = fallback;
    else problems.add('missing', [...loc, name], 'Field required', enclosing);
  }
  return problems.list.length === before ? (values as Values<F>) : undefined;
}

function isObject(input: unknown): input is Record<string, unknown> {
  return typeof input === 'object' && input !== null && !Array.isArray(input) && !JSON.isRawJSON(input);
}
