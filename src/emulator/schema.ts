import { isObject, type Json, type JsonObject } from './wire.ts';

/** Keywords of structured outputs; any other one is refused. `pattern` is refused too, a choice: no answer could be made up for it. */
const KEYWORDS = new Set([
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  '$ref',
  'title',
  'description',
  'default',
  'examples',
  'type',
  'enum',
  'const',
  'anyOf',
  'allOf',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'minItems',
  'format',
]);
const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);
const FORMATS = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
]);

/** Says why a schema is outside the subset that structured outputs support, or undefined if it is inside. */
export function schemaProblem(schema: unknown): string | undefined {
  if (!isObject(schema)) return 'output_config.format.schema: Input should be a valid dictionary';
  const problem = inspect(schema, schema, []);
  return problem && `output_config.format.schema: ${problem}`;
}

function inspect(node: Json | undefined, root: JsonObject, path: string[]): string | undefined {
  if (!isObject(node)) return 'every schema must be an object';
  if (path.length > 64) return 'schema is nested too deeply';
  return keywordProblem(node) ?? refProblem(node, root, path) ?? childProblem(node, root, path);
}

function keywordProblem(node: JsonObject): string | undefined {
  const types = typesOf(node);
  const name = types[0] ?? 'any';
  for (const key of Object.keys(node)) {
    if (!KEYWORDS.has(key)) return `For '${name}' type, property '${key}' is not supported`;
  }
  const unknown = types.find((type) => !TYPES.has(type));
  if (unknown !== undefined) return `'${unknown}' is not a valid type`;
  if (types.includes('object') && node['additionalProperties'] !== false) {
    return "For 'object' type, 'additionalProperties' must be explicitly set to false";
  }
  if (node['minItems'] !== undefined && node['minItems'] !== 0 && node['minItems'] !== 1) {
    return "For 'array' type, 'minItems' values other than 0 or 1 are not supported";
  }
  if (typeof node['format'] === 'string' && !FORMATS.has(node['format'])) {
    return `For 'string' type, format '${node['format']}' is not supported`;
  }
  if (
    Array.isArray(node['enum']) &&
    node['enum'].some((value) => typeof value === 'object' && value !== null)
  ) {
    return 'enum values must be strings, numbers, booleans or null';
  }
  return undefined;
}

function refProblem(node: JsonObject, root: JsonObject, path: string[]): string | undefined {
  const ref = node['$ref'];
  if (ref === undefined) return undefined;
  if (typeof ref !== 'string' || !ref.startsWith('#/'))
    return `external $ref is not supported: ${JSON.stringify(ref)}`;
  if (path.includes(ref)) return `circular $ref is not supported: ${ref}`;
  const target = resolveRef(ref, root);
  if (!target) return `$ref does not resolve: ${ref}`;
  return inspect(target, root, [...path, ref]);
}

function childProblem(node: JsonObject, root: JsonObject, path: string[]): string | undefined {
  for (const key of ['properties', '$defs', 'definitions']) {
    const children = node[key];
    if (!isObject(children)) continue;
    for (const [name, child] of Object.entries(children)) {
      // Entering a definition counts as following a reference to it: that is how recursion shows.
      const problem = inspect(child, root, key === 'properties' ? path : [...path, `#/${key}/${name}`]);
      if (problem) return problem;
    }
  }
  const lists = [node['anyOf'], node['allOf']].filter((list) => Array.isArray(list)).flat();
  for (const child of node['items'] === undefined ? lists : [...lists, node['items']]) {
    const problem = inspect(child, root, path);
    if (problem) return problem;
  }
  return undefined;
}

/** The type keyword as a list; empty if there is none. */
export function typesOf(node: JsonObject): string[] {
  const type = node['type'];
  return (Array.isArray(type) ? type : type === undefined ? [] : [type]).map(String);
}

/** The schema a local reference points to. */
export function resolveRef(ref: string, root: JsonObject): JsonObject | undefined {
  let node: Json | undefined = root;
  for (const part of ref.slice(2).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    node = isObject(node) ? node[key] : undefined;
  }
  return isObject(node) ? node : undefined;
}
