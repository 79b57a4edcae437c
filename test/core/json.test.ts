import { expect, test } from 'vitest';
import { ValidationError } from '../../src/core/errors.ts';
import { canonical, parseExact } from '../../src/core/json.ts';

/** A small generator with a seed (mulberry32), so that a failure comes again. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('every number that JSON allows comes out as it went in', () => {
  const random = randomOf(7);
  const digits = (most: number): string => {
    const length = Math.floor(random() * most) + 1;
    return Array.from({ length }, () => Math.floor(random() * 10)).join('');
  };
  for (let n = 0; n < 20_000; n += 1) {
    const whole = random() < 0.2 ? '0' : digits(22).replace(/^0+(?=\d)/, '');
    const fraction = random() < 0.5 ? '' : `.${digits(20)}`;
    const exponent =
      random() < 0.8 ? '' : `${random() < 0.5 ? 'e' : 'E'}${['', '+', '-'][n % 3]}${digits(2)}`;
    const text = `[${random() < 0.3 ? '-' : ''}${whole}${fraction}${exponent}]`;
    expect(JSON.stringify(parseExact(text))).toBe(text);
  }
});

test('text that looks like an unusual number changes nothing', () => {
  const text = '{"a":"1.0 and 1e5 and -0","b":[1.5,true,null],"__proto__":{"c":2}}';
  expect(JSON.stringify(parseExact(text))).toBe(text);
});

test('a number beyond a double is refused, and so is what is not JSON', () => {
  expect(() => parseExact('{"a":1e400}')).toThrow(ValidationError);
  expect(() => parseExact('{"a":}')).toThrow(SyntaxError);
});

test('the canonical text is one for all orders of keys, and tells 1.0 from 1', () => {
  const text = (json: string): string => canonical(parseExact(json));
  expect(text('{"b":[1,{"d":1,"c":2}],"a":null}')).toBe(text(' { "a" : null, "b": [1, {"c":2,"d":1}] }'));
  expect(text('{"a":1.0}')).not.toBe(text('{"a":1}'));
  expect(text('{"a":[1,2]}')).not.toBe(text('{"a":[2,1]}'));
});
