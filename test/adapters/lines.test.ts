import { expect, test } from 'vitest';
import { splitLines } from '../../src/adapters/lines.ts';

/** The lines of a text that arrives in pieces of so many bytes. */
async function lines(text: string, size: number): Promise<string[]> {
  const bytes = Buffer.from(text);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  return Array.fromAsync(splitLines(pieces()));
}

const cases: [string, string, string[]][] = [
  ['nothing', '', []],
  ['one line without an end', 'a', ['a']],
  ['lines with ends', 'a\nbc\n', ['a', 'bc']],
  ['blank lines', '\n\na\n\n', ['', '', 'a', '']],
  ['Windows line ends', 'a\r\nb\rc\r\n', ['a', 'b\rc']],
  ['characters of several bytes', 'äöü\n日本\n😀\u2028😀', ['äöü', '日本', '😀\u2028😀']],
];
test.each(cases)('%s', async (_name, text, expected) => {
  for (const size of [1, 2, 3, 1000]) expect(await lines(text, size)).toEqual(expected);
});

test('a line of many megabytes takes time in proportion to its length', async () => {
  const time = async (length: number) => {
    const began = performance.now();
    const [line] = await lines('x'.repeat(length), 1 << 14);
    expect(line).toHaveLength(length);
    return performance.now() - began;
  };
  await time(1_000_000);
  const [small, large] = [await time(4_000_000), await time(32_000_000)];
  expect(large).toBeLessThan(Math.max(small, 5) * 40);
});

test('whoever stops reading stops the stream', async () => {
  let closed = false;
  async function* endless() {
    try {
      for (;;) yield Buffer.from('a\nb\n');
    } finally {
      closed = true;
    }
  }
  for await (const line of splitLines(endless())) {
    expect(line).toBe('a');
    break;
  }
  expect(closed).toBe(true);
});
