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

test('a line of many megabytes is looked at once, not once for each of its pieces', async () => {
  const began = performance.now();
  const [line] = await lines('x'.repeat(64_000_000), 1 << 14);
  expect(line).toHaveLength(64_000_000);
  // A tenth of a second; looking at what has come for each piece again takes 128 GB of steps, so a minute.
  expect(performance.now() - began).toBeLessThan(20_000);
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
