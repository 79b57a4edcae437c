import { createHash, randomBytes } from 'node:crypto';

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const LENGTH = 22;

function base58(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < LENGTH; i++) text += BASE58[(bytes[i] ?? 0) % BASE58.length];
  return text;
}

/** A fresh id in the API's form: the prefix, `01`, and 22 more characters. */
export function randomId(prefix: string): string {
  return `${prefix}_01${base58(randomBytes(LENGTH))}`;
}

/** An id that is the same whenever it is made from the same parts. */
export function derivedId(prefix: string, ...parts: string[]): string {
  return `${prefix}_01${base58(createHash('sha256').update(parts.join('\u0000')).digest())}`;
}

/** A UUID that is the same whenever it is made from the same parts. */
export function derivedUuid(...parts: string[]): string {
  const hex = createHash('sha256').update(parts.join('\u0000')).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
