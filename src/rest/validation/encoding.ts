/**
 * The text of a JSON body, in the encoding that its first bytes show, as Python's `json` finds it: UTF-8, UTF-16 or
 * UTF-32, with or without a byte order mark. Undefined when the bytes are not valid in it.
 */
export function decodeJson(bytes: Buffer): string | undefined {
  const { encoding, skip } = detect(bytes);
  const content = bytes.subarray(skip);
  if (encoding === 'utf-32le' || encoding === 'utf-32be') return decodeUtf32(content, encoding);
  try {
    // `ignoreBOM` keeps a second mark in the text, where the parser will not take it.
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return undefined;
  }
}

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'utf-32le' | 'utf-32be';

const MARKS: readonly (readonly [Encoding, readonly number[]])[] = [
  // UTF-32 first: its little-endian mark begins with that of UTF-16.
  ['utf-32be', [0, 0, 0xfe, 0xff]],
  ['utf-32le', [0xff, 0xfe, 0, 0]],
  ['utf-16be', [0xfe, 0xff]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-8', [0xef, 0xbb, 0xbf]],
];

function detect(bytes: Buffer): { encoding: Encoding; skip: number } {
  const mark = MARKS.find(([, start]) => start.every((byte, index) => bytes[index] === byte));
  return mark ? { encoding: mark[0], skip: mark[1].length } : { encoding: byZeros(bytes), skip: 0 };
}

/** JSON begins with ASCII, so zeros among the first bytes show how wide a character is. */
function byZeros(bytes: Buffer): Encoding {
  const zero = (index: number): boolean => bytes[index] === 0;
  if (bytes.length >= 4) {
    if (zero(0)) return zero(1) ? 'utf-32be' : 'utf-16be';
    if (zero(1)) return zero(2) && zero(3) ? 'utf-32le' : 'utf-16le';
  } else if (bytes.length === 2) {
    if (zero(0)) return 'utf-16be';
    if (zero(1)) return 'utf-16le';
  }
  return 'utf-8';
}

function decodeUtf32(bytes: Buffer, encoding: 'utf-32le' | 'utf-32be'): string | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    const point = encoding === 'utf-32le' ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
    if (point > 0x10ffff) return undefined;
    parts.push(String.fromCodePoint(point));
  }
  return parts.join('');
}
