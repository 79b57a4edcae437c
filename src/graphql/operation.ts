import { execute, parse, validate } from 'graphql';
import type { Actor, Core } from '../core/index.ts';
import { maskError } from './errors.ts';
import { schema } from './schema.ts';

/** Runs one operation in process, with the schema, permissions and error masking of the HTTP endpoint. */
export type Operation<Data, Variables> = (core: Core, actor: Actor, variables: Variables) => Promise<Data>;

/** A prepared operation failed. `code` is the `extensions.code` of its first error. */
export class OperationError extends Error {
  override name = 'OperationError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Parses and validates an operation once, to run it many times. Throws at once when it does not fit the schema. The
 * operation throws OperationError when it has any error; data beside errors is dropped.
 */
export function prepare<Data, Variables extends object = Record<string, never>>(
  text: string,
): Operation<Data, Variables> {
  const document = parse(text);
  const [mistake] = validate(schema, document);
  if (mistake) throw mistake;
  return async (core, actor, variables) => {
    const { data, errors } = await execute({
      schema,
      document,
      variableValues: variables as Record<string, unknown>,
      contextValue: { core, actor },
    });
    const [error] = errors ?? [];
    if (!error) return data as Data;
    const { message, extensions } = maskError(error, core.log);
    throw new OperationError(
      typeof extensions['code'] === 'string' ? extensions['code'] : 'VALIDATION',
      message,
    );
  };
}
