/**
 * Reads JSON as Python's `json` does: same texts accepted (NaN and Infinity are), same message and position for those
 * that are not, since the legacy service told both to its clients. Numbers that JavaScript would print otherwise
 * (1.0, 12345678901234567890) become raw JSON values, which `JSON.stringify` prints as they came.
 */
export function parseJson(text: string): unknown {
  const scanner = new Scanner(text);
  const { value, end } = scanner.value(scanner.skipBlanks(0));
  const rest = scanner.skipBlanks(end);
  if (rest < text.length) throw scanner.error('Extra data', rest);
  return value;
}

/** What is wrong, and where: a count of code points from the start, as Python counts. */
export class JsonSyntaxError extends Error {
  override name = 'JsonSyntaxError';
  readonly position: number;
  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

/** Valid JSON that goes beyond what Python reads: nested too deep, or an integer of too many digits. */
export class JsonLimitError extends Error {
  override name = 'JsonLimitError';
}

/** Python's recursion limit; V8's stack bears several times as much in every later step. */
const MAX_DEPTH = 1000;
/** Python's limit for reading integers (`sys.int_info.default_max_str_digits`). */
const MAX_DIGITS = 4300;

const BLANKS = /[ \t\n\r]*/y;
// oxlint-disable-next-line no-control-regex -- JSON strings may not hold control characters
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y;
const HEX = /^[0-9a-fA-F]{4}$/;
const STARTS_WORD = /[ntfNI-]/;
const WORDS: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
];
const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

interface Scanned<T = unknown> {
  value: T;
  /** Where the text goes on. */
  end: number;
}

/** The steps and error positions are those of CPython's `Modules/_json.c`, version 3.13. */
class Scanner {
  readonly #text: string;
  #depth = 0;
  constructor(text: string) {
    this.#text = text;
  }

  error(message: string, at: number): JsonSyntaxError {
    let position = at;
    for (let index = 1; index < at; index += 1) {
      if (isLow(this.#text, index) && isHigh(this.#text, index - 1)) position -= 1;
    }
    return new JsonSyntaxError(message, position);
  }

  skipBlanks(at: number): number {
    BLANKS.lastIndex = at;
    BLANKS.test(this.#text);
    return BLANKS.lastIndex;
  }

  value(at: number): Scanned {
    const char = this.#text[at] ?? '';
    switch (char) {
      case '"':
        return this.#string(at);
      case '{':
        return this.#nested(() => this.#object(at));
      case '[':
        return this.#nested(() => this.#array(at));
      default:
        return STARTS_WORD.test(char) ? (this.#word(at) ?? this.#number(at)) : this.#number(at);
    }
  }

  #nested(scan: () => Scanned): Scanned {
    if (this.#depth >= MAX_DEPTH) throw new JsonLimitError('nested too deep');
    this.#depth += 1;
    const scanned = scan();
    this.#depth -= 1;
    return scanned;
  }

  #object(start: number): Scanned {
    const object: Record<string, unknown> = {};
    let at = this.skipBlanks(start + 1);
    if (this.#text[at] === '}') return { value: object, end: at + 1 };
    for (;;) {
      if (this.#text[at] !== '"') throw this.error('Expecting property name enclosed in double quotes', at);
      const key = this.#string(at);
      at = this.skipBlanks(key.end);
      if (this.#text[at] !== ':') throw this.error("Expecting ':' delimiter", at);
      const member = this.value(this.skipBlanks(at + 1));
      define(object, key.value, member.value);
      at = this.skipBlanks(member.end);
      if (this.#text[at] === '}') return { value: object, end: at + 1 };
      at = this.#comma(at, '}', 'object');
    }
  }

  #array(start: number): Scanned {
    const array: unknown[] = [];
    let at = this.skipBlanks(start + 1);
    if (this.#text[at] === ']') return { value: array, end: at + 1 };
    for (;;) {
      const item = this.value(at);
      array.push(item.value);
      at = this.skipBlanks(item.end);
      if (this.#text[at] === ']') return { value: array, end: at + 1 };
      at = this.#comma(at, ']', 'array');
    }
  }

  /** Where the next member begins. */
  #comma(at: number, close: string, what: string): number {
    if (this.#text[at] !== ',') throw this.error("Expecting ',' delimiter", at);
    const next = this.skipBlanks(at + 1);
    if (this.#text[next] === close) throw this.error(`Illegal trailing comma before end of ${what}`, at);
    return next;
  }

  #string(start: number): Scanned<string> {
    const parts: string[] = [];
    let at = start + 1;
    for (;;) {
      PLAIN.lastIndex = at;
      PLAIN.test(this.#text);
      const stop = PLAIN.lastIndex;
      if (stop > at) parts.push(this.#text.slice(at, stop));
      const char = this.#text[stop];
      if (char === '"') return { value: parts.join(''), end: stop + 1 };
      if (char === undefined || (char === '\\' && stop + 1 >= this.#text.length)) {
        throw this.error('Unterminated string starting at', start);
      }
      if (char !== '\\') throw this.error('Invalid control character at', stop);
      const escape = this.#escape(stop);
      parts.push(escape.value);
      at = escape.end;
    }
  }

  #escape(at: number): Scanned<string> {
    const char = this.#text[at + 1]!;
    if (char !== 'u') {
      const value = ESCAPES[char];
      if (value === undefined) throw this.error('Invalid \\escape', at);
      return { value, end: at + 2 };
    }
    // A quote must still follow the digits, so text that ends with them is at fault too.
    if (at + 6 >= this.#text.length || !HEX.test(this.#text.slice(at + 2, at + 6))) {
      throw this.error('Invalid \\uXXXX escape', at + 1);
    }
    const value = this.#unit(at);
    // Python looks into the second half of a pair at once, and reports what is wrong with it there.
    const low = at + 6;
    if (isHigh(value, 0) && low + 6 < this.#text.length && this.#text.startsWith('\\u', low)) {
      if (!HEX.test(this.#text.slice(low + 2, low + 6))) throw this.error('Invalid \\uXXXX escape', low + 1);
      const second = this.#unit(low);
      if (isLow(second, 0)) return { value: value + second, end: low + 6 };
    }
    return { value, end: low };
  }

  #unit(at: number): string {
    return String.fromCharCode(Number.parseInt(this.#text.slice(at + 2, at + 6), 16));
  }

  #word(at: number): Scanned | undefined {
    const found = WORDS.find(([word]) => this.#text.startsWith(word, at));
    return found && { value: found[1], end: at + found[0].length };
  }

  #number(at: number): Scanned {
    NUMBER.lastIndex = at;
    const match = NUMBER.exec(this.#text);
    if (!match) throw this.error('Expecting value', at);
    const [source, fraction, exponent] = match;
    const whole = !fraction && !exponent;
    if (whole && source.length - (source.startsWith('-') ? 1 : 0) > MAX_DIGITS) {
      throw new JsonLimitError('an integer of too many digits');
    }
    const value = Number(source);
    // A float beyond the range is infinite, as in Python; an integer never is.
    const exact = String(value) === source || !(whole || Number.isFinite(value));
    return { value: exact ? value : JSON.rawJSON(source), end: at + source.length };
  }
}

/** Sets a member whose name may be `__proto__`, which plain assignment would take for the prototype. */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}

function isHigh(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800;
}

function isLow(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xdc00;
}
