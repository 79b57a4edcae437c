import SchemaBuilder from '@pothos/core';
import ErrorsPlugin from '@pothos/plugin-errors';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ValidationPlugin from '@pothos/plugin-validation';
import { parseId, publicId, ValidationError, type IdPrefix } from '../core/index.ts';
import { getDatamodel, type default as PrismaTypes } from '../generated/pothos-prisma-types.ts';
import type { GraphQLContext } from './context.ts';

interface SchemaTypes {
  Context: GraphQLContext;
  DefaultFieldNullability: false;
  PrismaTypes: PrismaTypes;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    JSON: { Input: unknown; Output: unknown };
    Decimal: { Input: string; Output: string };
    BigInt: { Input: bigint; Output: bigint };
  };
}

/** The types that `node(id)` can load, by the prefix of their ids. */
const nodeTypes: Readonly<Record<string, IdPrefix>> = { Job: 'job', Batch: 'batch' };

/** Makes the schema: one file per type adds its object, queries, mutations and inputs to this builder. */
export const builder = new SchemaBuilder<SchemaTypes>({
  // Errors first: it wraps the others, so that what they throw becomes a member of a result union too.
  defaultFieldNullability: false,
  plugins: [ErrorsPlugin, RelayPlugin, ValidationPlugin, PrismaPlugin],
  prisma: {
    client: ({ core }) => core.db,
    dmmf: getDatamodel(),
    // A resolver that answers null without a look at the database, as for a malformed id, uses no query.
    onUnusedQuery: null,
  },
  errors: { directResult: true },
  relay: {
    cursorType: 'String',
    encodeGlobalID: (typename, id) => publicId(nodeTypes[typename]!, String(id)),
    decodeGlobalID: (globalId) => {
      const [typename, prefix] =
        Object.entries(nodeTypes).find(([, known]) => globalId.startsWith(`${known}_`)) ?? [];
      const id = prefix && parseId(prefix, globalId);
      if (typename && id) return { typename, id };
      throw new ValidationError(
        'id',
        `"${globalId}" is not an id of this API; they look like job_01jd8x… or batch_01jd8x….`,
      );
    },
    firstArgOptions: { description: 'The first so many rows, at most 1000.' },
    lastArgOptions: { description: 'The last so many rows, at most 1000.' },
    afterArgOptions: { description: 'Only rows after this cursor of the same list.' },
    beforeArgOptions: { description: 'Only rows before this cursor of the same list.' },
    nodeQueryOptions: {
      description: 'Loads any object by its id; null when there is none, or it is another tenant’s.',
    },
    nodesQueryOptions: {
      description: 'Loads objects by their ids, in the order asked; null where there is none.',
    },
  },
  validation: {
    validationError: ({ issues }) => {
      const [issue] = issues;
      const path = (issue?.path ?? [])
        .map((part) => String(typeof part === 'object' ? part.key : part))
        .join('.');
      return new ValidationError(path, `${path}: ${issue?.message ?? 'is not valid'}`);
    },
  },
});

builder.queryType({ description: 'What can be read. Everything belongs to the tenant of the caller’s key.' });
builder.mutationType({
  description:
    'What can be changed. Every mutation takes one input and returns a union of its success and its errors.',
});
builder.subscriptionType({
  description: 'What can be watched, over WebSocket (graphql-transport-ws) or server-sent events.',
});
