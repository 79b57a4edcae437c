import { describe, expect, test } from 'vitest';
import { parseDateTime, fromUnix } from '../../src/rest/validation/datetime.ts';
import { enqueueRequest, flushRequest } from '../../src/rest/requests.ts';
import { decodeJson } from '../../src/rest/validation/encoding.ts';
import { readBody, type Fields } from '../../src/rest/validation/fields.ts';
import { toInteger } from '../../src/rest/validation/integer.ts';
import { JsonLimitError, JsonSyntaxError, parseJson } from '../../src/rest/validation/json.ts';
import { Problems } from '../../src/rest/validation/problems.ts';

// The telling ones of some 8,800 bodies that FastAPI 0.142 with Pydantic 2.13 on CPython 3.11 answered alike; only the
// words for a trailing comma are those of CPython 3.13.

/** Milliseconds that only a search of quadratic time takes: the slowest of these inputs needs a fiftieth, on a busy machine. */
const HANG = 20_000;

describe('JSON that Python cannot read', () => {
  test.each([
    ['', 'Expecting value', 0],
    ['[', 'Expecting value', 1],
    ['{', 'Expecting property name enclosed in double quotes', 1],
    ['{"a"', "Expecting ':' delimiter", 4],
    ['{"a":1,}', 'Illegal trailing comma before end of object', 6],
    ['[1, ]', 'Illegal trailing comma before end of array', 2],
    ['[1 2]', "Expecting ',' delimiter", 3],
    ['{} x', 'Extra data', 3],
    ['"😀😀" x', 'Extra data', 5],
    ['"open', 'Unterminated string starting at', 0],
    ['["😀", "open\\', 'Unterminated string starting at', 6],
    ['"a\tb"', 'Invalid control character at', 2],
    ['"\\x"', 'Invalid \\escape', 1],
    ['"\\u12g4"', 'Invalid \\uXXXX escape', 2],
    ['"\\u1234', 'Invalid \\uXXXX escape', 2],
    ['"\\ud83d\\u12g4"', 'Invalid \\uXXXX escape', 8],
    ['01', 'Extra data', 1],
    ['1.', 'Extra data', 1],
    ['-', 'Expecting value', 0],
    ['+1', 'Expecting value', 0],
    ['nul', 'Expecting value', 0],
    ['-Infinit', 'Expecting value', 0],
    ['\ufeff{}', 'Expecting value', 0],
    ['\u00a0{}', 'Expecting value', 0],
  ])('%j: %s at %i', (text, message, position) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ message, position }));
    expect(() => parseJson(text)).toThrow(JsonSyntaxError);
  });

  test('because an integer has more than 4300 digits, or it is nested too deep', () => {
    expect(JSON.stringify(parseJson('9'.repeat(4300)))).toBe('9'.repeat(4300));
    expect(() => parseJson(`-${'9'.repeat(4301)}`)).toThrow(JsonLimitError);
    expect(() => parseJson('['.repeat(1001))).toThrow(JsonLimitError);
    expect(() => parseJson('['.repeat(1000))).toThrow(JsonSyntaxError);
  });
});

describe('JSON that Python reads', () => {
  test.each([
    ['{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'],
    ['[1.0,1e2,-0,12345678901234567890]', '[1.0,1e2,-0,12345678901234567890]'],
    ['"\\ud83d\\ude00\\ud800\\u0000"', '"😀\\ud800\\u0000"'],
    ['{"__proto__":{"a":1}}', '{"__proto__":{"a":1}}'],
    [' \t\r\n[ ] ', '[]'],
  ])('%s', (text, same) => {
    expect(JSON.stringify(parseJson(text))).toBe(same);
  });

  test('has NaN and infinite numbers', () => {
    expect(parseJson('[NaN,Infinity,-Infinity,1e400,-1e400]')).toEqual([
      NaN,
      Infinity,
      -Infinity,
      Infinity,
      -Infinity,
    ]);
  });

  test.each([
    ['ef bb bf 5b 5d', '[]'],
    ['ff fe 5b 00 5d 00', '[]'],
    ['fe ff 00 5b 00 5d', '[]'],
    ['5b 00 5d 00', '[]'],
    ['00 5b', '['],
    ['ff fe 00 00 5b 00 00 00', '['],
    ['00 00 00 5b', '['],
    ['ef bb bf ef bb bf', '\ufeff'],
    ['ff', undefined],
    ['c0 80', undefined],
    ['ff fe 5b', undefined],
    ['00 00 fe ff 00 11 00 00', undefined],
  ])('may be bytes in many encodings: %s', (hex, text) => {
    expect(decodeJson(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toBe(text);
  });
});

describe('an integer', () => {
  test.each<[unknown, bigint]>([
    [true, 1n],
    [5, 5n],
    [JSON.rawJSON('5.0'), 5n],
    [JSON.rawJSON('1e2'), 100n],
    [JSON.rawJSON('12345678901234567890'), 12345678901234567890n],
    [' 5\n', 5n],
    ['\u00855\u2003', 5n],
    ['+5', 5n],
    ['-0', 0n],
    ['005', 5n],
    ['5.00', 5n],
    ['1_0_0', 100n],
    ['0'.repeat(5000), 0n],
  ])('is made of %j', (input, value) => {
    expect(toInteger(input)).toBe(value);
  });

  test.each([
    [null, 'int_type'],
    [[], 'int_type'],
    [{}, 'int_type'],
    [5.5, 'int_from_float'],
    [NaN, 'finite_number'],
    [JSON.rawJSON('1e20'), 'int_parsing_size'],
    ['9'.repeat(4301), 'int_parsing_size'],
    ['', 'int_parsing'],
    ['5.5', 'int_parsing'],
    ['5.', 'int_parsing'],
    ['5e0', 'int_parsing'],
    ['0x5', 'int_parsing'],
    ['1__0', 'int_parsing'],
    ['_1', 'int_parsing'],
    ['+-1', 'int_parsing'],
    ['\ufeff5', 'int_parsing'],
    ['\u0665', 'int_parsing'],
  ])('is not made of %j', (input, type) => {
    expect(toInteger(input)).toMatchObject({ type });
  });

  test('in text with a million blanks inside is refused without a hang', () => {
    const started = performance.now();
    expect(toInteger(`1${' '.repeat(1_000_000)}1`)).toMatchObject({ type: 'int_parsing' });
    expect(performance.now() - started).toBeLessThan(HANG);
  });
});

describe('a time', () => {
  test.each([
    ['2030-01-01T00:00', '2030-01-01T00:00:00.000Z'],
    ['2030-01-01_12:34:56,9876543', '2030-01-01T12:34:56.987Z'],
    ['2030-01-01 00:00:00−0530', '2030-01-01T05:30:00.000Z'],
    ['2030-01-01t00:00+23:59', '2029-12-31T00:01:00.000Z'],
    ['2028-02-29', '2028-02-29T00:00:00.000Z'],
    ['2030', '1970-01-01T00:33:50.000Z'],
    ['-.5', '1969-12-31T23:59:59.500Z'],
    ['20000000000', '2603-10-11T11:33:20.000Z'],
    ['20000000001', '1970-08-20T11:33:20.001Z'],
    ['1700000000123.5', '2023-11-14T22:13:20.123Z'],
  ])('is made of the text %s', (text, iso) => {
    expect(parseDateTime(text)).toEqual(new Date(iso));
  });

  test.each([
    ['1e5', 'input is too short'],
    ['ééé', 'input is too short'],
    ['ééééé', 'invalid character in year'],
    [' 2030-01-01', 'invalid character in year'],
    ['20300101T00', 'invalid date separator, expected `-`'],
    ['2030-0a-01', 'invalid character in month'],
    ['2030-01-1a', 'invalid character in day'],
    ['2030-13-01', 'month value is outside expected range of 1-12'],
    ['1900-02-29', 'day value is outside expected range'],
    ['2030-01-01T24:00', 'unexpected extra characters at the end of the input'],
    ['2030-01-01T00:00:00+05', 'unexpected extra characters at the end of the input'],
    ['2030-01-01T00:00.5', 'unexpected extra characters at the end of the input'],
    ['253402300800000', 'dates after 9999 are not supported as unix timestamps'],
    ['99999999999999999999', 'invalid date separator, expected `-`'],
  ])('is not made of the text %s: %s', (text, error) => {
    expect(parseDateTime(text)).toEqual({ type: 'datetime_from_date_parsing', error });
  });

  test.each([
    [NaN, 'NaN values not permitted'],
    [253_402_300_800_000, 'dates after 9999 are not supported as unix timestamps'],
    [-62_167_219_200_001, 'dates before 0000 are not supported as unix timestamps'],
    [-62_135_596_800_001, 'year 0 is out of range'],
  ])('is not made of the number %d: %s', (number, error) => {
    expect(fromUnix(number)).toEqual({ type: 'datetime_parsing', error });
  });
});

describe('ten megabytes of', () => {
  const MANY = 9_900_000;
  const job = (field: string) => `{"job_type":"risk_report","payload":{},${field}}`;

  test.each<[string, Fields, string, string]>([
    [
      'digits and underscores',
      enqueueRequest,
      job(`"priority":"${'1_'.repeat(MANY / 2)}1"`),
      'int_parsing_size',
    ],
    ['digits and a letter', enqueueRequest, job(`"priority":"${'1'.repeat(MANY)}x"`), 'int_parsing'],
    [
      'a time in digits',
      enqueueRequest,
      job(`"run_after":"${'1'.repeat(MANY)}"`),
      'datetime_from_date_parsing',
    ],
    [
      'a time in digits and a letter',
      enqueueRequest,
      job(`"run_after":"${'1'.repeat(MANY)}x"`),
      'datetime_from_date_parsing',
    ],
    [
      'zeros before a time',
      enqueueRequest,
      job(`"run_after":"${'0'.repeat(MANY)}99999999999999999999.5"`),
      'datetime_from_date_parsing',
    ],
    ['wrong items', flushRequest, `{"job_types":[0${',0'.repeat(MANY / 2)}]}`, 'enum'],
  ])('%s are refused without a hang', (_name, fields, body, type) => {
    const value = parseJson(body);
    const problems = new Problems();
    const started = performance.now();
    expect(readBody(fields, value, problems)).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(HANG);
    expect(problems.list[0]).toMatchObject({ type });
    expect(problems.list.length).toBeLessThanOrEqual(1000);
  });
});
