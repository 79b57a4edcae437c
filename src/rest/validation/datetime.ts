/** A point in time, or what is wrong with the text or number that should be one. */
export type DateTimeResult = Date | { type: DateTimeError; error: string };
type DateTimeError = 'datetime_parsing' | 'datetime_from_date_parsing';

const AFTER = 'dates after 9999 are not supported as unix timestamps';
const BEFORE = 'dates before 0000 are not supported as unix timestamps';
const YEAR_ZERO = 'year 0 is out of range';

/** Unix times beyond this many are milliseconds, up to it seconds. */
const WATERSHED = 20_000_000_000;
const YEAR_0 = -62_167_219_200_000;
const YEAR_1 = -62_135_596_800_000;
const YEAR_10000 = 253_402_300_800_000;

// One way only to divide the digits: two of them made a text of n digits and a letter cost n² steps.
const UNIX = /^[+-]?(\d+(\.\d*)?|\.\d+)$/;
/** The Unicode minus is taken for a sign, as ISO 8601 wants it. */
const TIME =
  /^[T t_](?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:[.,](?<fraction>\d+))?)?(?<zone>[Zz]|[+\-\u2212]\d\d:?\d\d)?$/;

/** A unix time, in seconds or milliseconds. */
export function fromUnix(number: number): DateTimeResult {
  if (Number.isNaN(number)) return { type: 'datetime_parsing', error: 'NaN values not permitted' };
  const time = Math.abs(number) > WATERSHED ? number : number * 1000;
  if (time >= YEAR_10000) return { type: 'datetime_parsing', error: AFTER };
  if (time < YEAR_0) return { type: 'datetime_parsing', error: BEFORE };
  if (time < YEAR_1) return { type: 'datetime_parsing', error: YEAR_ZERO };
  return new Date(Math.floor(time));
}

/**
 * A date and time, a date, or a unix time as text. Without a zone it is UTC. What fails is reported as Pydantic does,
 * which tries the text as a date last and so mostly tells what is wrong with that.
 */
export function parseDateTime(text: string): DateTimeResult {
  const error = dateError(text);
  if (error === undefined) {
    const time = timeOfDay(text.slice(10));
    if (time === undefined) {
      return {
        type: 'datetime_from_date_parsing',
        error: 'unexpected extra characters at the end of the input',
      };
    }
    if (text.startsWith('0000')) return { type: 'datetime_parsing', error: YEAR_ZERO };
    return new Date(Date.parse(`${text.slice(0, 10)}T00:00:00Z`) + time);
  }
  if (!UNIX.test(text)) return { type: 'datetime_from_date_parsing', error };
  const result = fromUnix(unixNumber(text));
  if (result instanceof Date || result.error === YEAR_ZERO) return result;
  return { type: 'datetime_from_date_parsing', error: isInt64(text) ? result.error : error };
}

/** Text with a fraction that counts milliseconds goes through the watershed twice; clients may have met that. */
function unixNumber(text: string): number {
  const number = Number(text);
  return text.includes('.') && Math.abs(number) > WATERSHED ? number / 1000 : number;
}

/** What is wrong with the first ten characters as a date; nothing beyond them is looked at. */
function dateError(text: string): string | undefined {
  if (Buffer.byteLength(text) < 10) return 'input is too short';
  if (!/^\d{4}/.test(text)) return 'invalid character in year';
  if (text[4] !== '-') return 'invalid date separator, expected `-`';
  if (!/^\d\d/.test(text.slice(5))) return 'invalid character in month';
  if (text[7] !== '-') return 'invalid date separator, expected `-`';
  if (!/^\d\d/.test(text.slice(8))) return 'invalid character in day';
  const [year, month, day] = [text.slice(0, 4), text.slice(5, 7), text.slice(8, 10)].map(Number) as [
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12) return 'month value is outside expected range of 1-12';
  if (day < 1 || day > daysIn(year, month)) return 'day value is outside expected range';
  return undefined;
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** Milliseconds since midnight UTC of the text's own date; undefined when it is not a time of day. */
function timeOfDay(text: string): number | undefined {
  if (text === '') return 0;
  const { hour, minute, second = '0', fraction = '', zone = 'Z' } = TIME.exec(text)?.groups ?? {};
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)];
  const offset = zoneOffset(zone);
  if (!(hours < 24 && minutes < 60 && seconds < 60) || offset === undefined) return undefined;
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, '0'));
  return ((hours * 60 + minutes - offset) * 60 + seconds) * 1000 + milliseconds;
}

/** Minutes east of UTC. */
function zoneOffset(zone: string): number | undefined {
  if (/^z$/i.test(zone)) return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('+') ? 1 : -1) * (hours * 60 + minutes);
}

function isInt64(text: string): boolean {
  if (!/^[+-]?\d+$/.test(text)) return false;
  const digits = text.replace(/^[+-]?0*/, '');
  // None of more digits fits, and making a number of ten million digits takes two seconds.
  if (digits.length > 19) return false;
  const value = BigInt(`${text.startsWith('-') ? '-' : ''}${digits || '0'}`);
  return BigInt.asIntN(64, value) === value && value !== -(2n ** 63n);
}
