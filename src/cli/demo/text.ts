import { Decimal } from 'decimal.js';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** What terminals draw two columns wide: East Asian scripts, full-width forms, and emoji. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u;
const invisible = /^[\p{M}\p{Cf}\p{Cc}]+$/u;

/** How many columns an unstyled text takes on a terminal. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const { segment } of graphemes.segment(text)) columns += columnsOfGrapheme(segment);
  return columns;
}

function columnsOfGrapheme(grapheme: string): number {
  if (invisible.test(grapheme)) return 0;
  return wide.test(grapheme) ? 2 : 1;
}

/** Cuts an unstyled text to so many columns, with an ellipsis if anything is left out. */
export function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = '';
  let left = columns - 1;
  for (const { segment } of graphemes.segment(text)) {
    left -= columnsOfGrapheme(segment);
    if (left < 0) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

/** Exactly so many columns, the text at the left. */
export function left(text: string, columns: number): string {
  const fitting = cut(text, columns);
  return fitting + ' '.repeat(columns - columnsOf(fitting));
}

/** Exactly so many columns, the text at the right. */
export function right(text: string, columns: number): string {
  const fitting = cut(text, columns);
  return ' '.repeat(columns - columnsOf(fitting)) + fitting;
}

/** Text from outside on one line: without control characters, which could move the cursor or recolour the screen. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
}

/** The end of a public id: its beginning is the time, which all jobs of a run share. */
export function shortId(id: string): string {
  const [prefix] = id.split('_');
  return `${prefix}_…${id.slice(-6)}`;
}

/** Such as `4.2 s` or `3 min 05 s`. */
export function seconds(milliseconds: number): string {
  const whole = Math.max(0, milliseconds) / 1000;
  if (whole < 100) return `${whole.toFixed(1)} s`;
  return `${Math.floor(whole / 60)} min ${String(Math.floor(whole % 60)).padStart(2, '0')} s`;
}

/** A whole number with its thousands apart. */
export function amount(value: number): string {
  return value.toLocaleString('en-US');
}

/** Dollars from an exact decimal; a price that is not known is said to be so, never shown as zero. */
export function dollars(value: Decimal.Value | null, places: number): string {
  return value === null ? 'unknown' : `$${new Decimal(value).toFixed(places, Decimal.ROUND_HALF_EVEN)}`;
}
