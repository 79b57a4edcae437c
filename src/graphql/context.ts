import { GraphQLError } from 'graphql';
import type { Actor, Core } from '../core/index.ts';

/** What every resolver sees: the rules, and who asks. Without credentials only `__typename` can be read. */
export interface GraphQLContext {
  core: Core;
  actor: Actor | undefined;
}

/** The caller, or an error for a request without credentials. */
export function actorOf({ actor }: GraphQLContext): Actor {
  if (actor) return actor;
  throw new GraphQLError('This needs the header "Authorization: Bearer <key>".', {
    extensions: { code: 'UNAUTHENTICATED', http: { status: 401, headers: { 'www-authenticate': 'Bearer' } } },
  });
}
