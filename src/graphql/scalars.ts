import { GraphQLError, Kind, type ValueNode } from 'graphql';
import { parseExact } from '../core/index.ts';
import { builder } from './builder.ts';

const ISO = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)$/;

builder.scalarType('DateTime', {
  description:
    'A point in time: ISO 8601 with a zone, as in 2026-11-23T14:05:00.000Z; milliseconds, UTC on output.',
  serialize: (date) => date.toISOString(),
  parseValue: (value) => {
    const date = typeof value === 'string' && ISO.test(value) ? new Date(value) : undefined;
    if (!date || Number.isNaN(date.getTime())) {
      throw new GraphQLError('A DateTime must be ISO 8601 with a zone, such as 2026-11-23T14:05:00Z.');
    }
    return date;
  },
});

builder.scalarType('JSON', {
  description:
    'Any JSON value. Numbers keep the form they came in: 1.0 stays 1.0, and integers have no limit.',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => literal(node, variables ?? {}),
});

builder.scalarType('Decimal', {
  description: 'An exact decimal number as a string, such as "0.004153". Money is in US dollars.',
  serialize: (value) => (value.includes('.') ? value.replace(/\.?0+$/, '') : value),
  parseValue: (value) => {
    if (typeof value === 'string' && /^-?\d{1,30}(\.\d{1,30})?$/.test(value)) return value;
    throw new GraphQLError('A Decimal must be a string such as "12.50".');
  },
});

builder.scalarType('BigInt', {
  description: 'A whole number without a limit; a JSON number on output.',
  serialize: (value) => JSON.rawJSON(value.toString()),
  parseValue: (value) => {
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
    throw new GraphQLError('A BigInt must be a whole number.');
  },
});

/** A JSON value written in the query itself. */
function literal(node: ValueNode, variables: Record<string, unknown>): unknown {
  switch (node.kind) {
    case Kind.INT:
    case Kind.FLOAT:
      return parseExact(node.value);
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.ENUM:
      throw new GraphQLError(`${node.value} is not JSON; write "${node.value}" for a string.`);
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map((item) => literal(item, variables));
    case Kind.OBJECT:
      return Object.fromEntries(
        node.fields.map((field) => [field.name.value, literal(field.value, variables)]),
      );
    case Kind.VARIABLE:
      return variables[node.name.value];
  }
}
