import type { JsonSchema } from './job-type.ts';

type Properties = Readonly<Record<string, JsonSchema>>;

type Scalar = { readonly type: 'string' | 'number' | 'integer'; readonly description: string };

/** A string. */
export function text(description: string): Scalar {
  return { type: 'string', description };
}

/** A number. */
export function number(description: string): Scalar {
  return { type: 'number', description };
}

/** A whole number. */
export function integer(description: string): Scalar {
  return { type: 'integer', description };
}

/** One of a closed set of words. */
export function choice(description: string, words: readonly string[]): JsonSchema {
  return { type: 'string', description, enum: words };
}

/** A list; it may be empty. */
export function list(description: string, items: JsonSchema): JsonSchema {
  return { type: 'array', description, items };
}

/**
 * A string, number or integer that may also be null. The provider compiles at most 16 such unions a request,
 * so they are for figures that a payload often lacks.
 */
export function orNull(schema: Scalar): JsonSchema {
  return { ...schema, type: [schema.type, 'null'] };
}

/** An object with exactly these properties, all present: the only kind structured output accepts. */
export function closed(description: string, properties: Properties): JsonSchema {
  return {
    type: 'object',
    description,
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  };
}

/** An object that may lack any of these properties and may have others: for payloads. */
export function open(description: string, properties: Properties): JsonSchema {
  return { type: 'object', description, properties };
}

/** A whole result: what all types share, around what is special to one. */
export function result(description: string, properties: Properties): JsonSchema {
  return closed(description, {
    summary: text('The conclusion first, then what supports it: three to six sentences.'),
    ...properties,
    data_gaps: list(
      'What was missing, unclear or contradictory in the payload, and what cannot be said for that reason. Empty if nothing was.',
      text('One gap.'),
    ),
  });
}

/** Figures with their unit and where they come from. */
export function metrics(description: string): JsonSchema {
  return list(
    description,
    closed('One figure.', {
      name: text('What is measured, with its period if it has one.'),
      value: number('The figure, in the given unit.'),
      unit: text(
        'Unit as used in the payload, such as "percent", "USD" or "months"; "count" or "ratio" if it has none.',
      ),
      basis: choice('Whether the figure stands in the payload or was calculated from payload figures.', [
        'payload',
        'calculated',
      ]),
    }),
  );
}

/** What to do next, each with its reason. */
export function recommendations(description: string): JsonSchema {
  return list(
    description,
    closed('One recommendation.', {
      action: text('What to do or to examine, concretely.'),
      reason: text('The payload figures or facts that call for it.'),
      priority: choice('How soon it matters.', ['low', 'medium', 'high']),
    }),
  );
}
