import type { Random } from './random.ts';
import { resolveRef, typesOf } from './schema.ts';
import { asText, isObject, type Json, type JsonObject } from './wire.ts';

/** Every made-up text starts with this, so that nobody takes it for an answer of a model. */
export const MARK = '[simulated]';

interface Place {
  root: JsonObject;
  random: Random;
  /** Name of the property being filled, for readable texts and plausible numbers. */
  name: string;
}

/** Makes up a value that fits a schema of the supported subset (see schema.ts). */
export function fitting(schema: JsonObject, random: Random): Json {
  return fit(schema, { root: schema, random, name: 'answer' });
}

function fit(node: JsonObject, place: Place): Json {
  if (node['const'] !== undefined) return node['const'];
  if (Array.isArray(node['enum'])) return place.random.pick(node['enum']);
  if (typeof node['$ref'] === 'string') return fit(resolveRef(node['$ref'], place.root) ?? {}, place);
  if (Array.isArray(node['allOf'])) return fit(merged(node), place);
  if (Array.isArray(node['anyOf'])) return fit(place.random.pick(node['anyOf']) as JsonObject, place);
  switch (pickType(node, place.random)) {
    case 'object':
      return object(node, place);
    case 'array':
      return array(node, place);
    case 'integer':
      return Math.round(number(node, place, 0));
    case 'number':
      return number(node, place, 2);
    case 'boolean':
      return place.random.next() < 0.5;
    case 'null':
      return null;
    default:
      return text(node, place);
  }
}

/** Nullable values are null one time in five: often enough to be seen, rarely enough to be useful. */
function pickType(node: JsonObject, random: Random): string {
  const types = typesOf(node);
  if (types.length === 0) return isObject(node['properties']) ? 'object' : 'string';
  const values = types.filter((type) => type !== 'null');
  if (values.length < types.length && (values.length === 0 || random.next() < 0.2)) return 'null';
  return random.pick(values);
}

function merged(node: JsonObject): JsonObject {
  const { allOf, ...rest } = node;
  const parts = [rest, ...(allOf as JsonObject[])];
  const properties = parts.map((part) => part['properties'] ?? {});
  return { ...Object.assign({}, ...parts), properties: Object.assign({}, ...properties) };
}

function object(node: JsonObject, place: Place): Json {
  const properties = isObject(node['properties']) ? node['properties'] : {};
  const value: JsonObject = {};
  for (const [name, child] of Object.entries(properties)) {
    // A plain assignment would set the prototype for this one name.
    Object.defineProperty(value, name, {
      value: fit(child as JsonObject, { ...place, name }),
      enumerable: true,
    });
  }
  return value;
}

function array(node: JsonObject, place: Place): Json {
  const item = isObject(node['items']) ? node['items'] : {};
  return Array.from({ length: place.random.integer(1, 4) }, () => fit(item, place));
}

const RANGES: [RegExp, number, number, number][] = [
  [/confidence|probab|ratio|similarity|relevance|score|fraction/i, 0, 1, 2],
  [/percent/i, 0, 100, 1],
  [/rating|stars/i, 1, 5, 1],
  [/year/i, 2018, 2026, 0],
  [/price|amount|total|cost|revenue|budget/i, 10, 5000, 2],
  [/count|number|quantity|age|index|days|minutes|hours/i, 1, 60, 0],
];

/** The schema may not say minimum and maximum, so authors write "from 0 to 1" in the description: that comes first. */
function number(node: JsonObject, place: Place, decimals: number): number {
  const description = asText(node['description']);
  const said = /(-?\d+(?:\.\d+)?)\s*(?:to|and|-|–|…|\.\.)\s*(-?\d+(?:\.\d+)?)/.exec(description);
  const named = RANGES.find(([pattern]) => pattern.test(place.name)) ?? [/./, 1, 100, 1];
  let [, low, high, digits] = named;
  if (said && Number(said[1]) < Number(said[2])) {
    [low, high] = [Number(said[1]), Number(said[2])];
    digits = high - low <= 1 ? 2 : 1;
  }
  const scale = 10 ** Math.min(digits, decimals);
  return Math.round((low + place.random.next() * (high - low)) * scale) / scale;
}

const FORMATTED: Record<string, (random: Random) => string> = {
  date: (random) => `2026-${two(random, 1, 12)}-${two(random, 1, 28)}`,
  time: (random) => `${two(random, 0, 23)}:${two(random, 0, 59)}:00Z`,
  'date-time': (random) => `2026-${two(random, 1, 12)}-${two(random, 1, 28)}T${two(random, 0, 23)}:00:00Z`,
  duration: (random) => `PT${random.integer(1, 90)}M`,
  email: (random) => `simulated.${random.integer(1, 999)}@example.com`,
  hostname: (random) => `simulated-${random.integer(1, 999)}.example.com`,
  uri: (random) => `https://example.com/simulated/${random.integer(1, 999)}`,
  ipv4: (random) => `192.0.2.${random.integer(1, 254)}`,
  ipv6: (random) => `2001:db8::${random.integer(1, 9999)}`,
  uuid: (random) => `00000000-0000-4000-8000-${String(random.integer(0, 999_999_999)).padStart(12, '0')}`,
};

function two(random: Random, low: number, high: number): string {
  return String(random.integer(low, high)).padStart(2, '0');
}

const PHRASES = [
  (topic: string) => `A model would write the ${topic} here`,
  (topic: string) => `No model was asked, so this ${topic} is invented`,
  (topic: string) => `The ${topic} of a real answer would stand here`,
];

/** A short sentence around what the property is about. Formats with a syntax cannot carry the mark; their values sit in reserved ranges. */
function text(node: JsonObject, place: Place): string {
  const formatted = FORMATTED[asText(node['format'])];
  if (formatted) return formatted(place.random);
  const words = place.name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll(/[_-]+/g, ' ')
    .toLowerCase();
  return `${MARK} ${place.random.pick(PHRASES)(words || 'text')} (sample ${place.random.integer(100, 999)}).`;
}
