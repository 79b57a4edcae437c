/** Where a value stands in the request, such as `['body', 'job_types', 1]`. */
export type Place = readonly (string | number)[];

/** One row of a 422 answer. The order of the keys is part of the contract, and so is that `ctx` may be absent. */
export interface Problem {
  type: string;
  loc: Place;
  msg: string;
  input: unknown;
  ctx?: Record<string, unknown>;
}

/** Collects what is wrong with one request, so that one answer names all of it. */
export class Problems {
  readonly list: Problem[] = [];

  add(type: string, loc: Place, msg: string, input: unknown, ctx?: Record<string, unknown>): undefined {
    this.list.push({ type, loc, msg, input, ...(ctx && { ctx }) });
    return undefined;
  }
}

/** A rule that Pydantic would have in a validator function; it prints the exception as an empty object. */
export function valueError(loc: Place, message: string, input: unknown): Problem {
  return { type: 'value_error', loc, msg: `Value error, ${message}`, input, ctx: { error: {} } };
}
