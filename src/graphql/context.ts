import { GraphQLError } from 'graphql';
import { requireScope, type Actor, type Core } from '../core/index.ts';

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

/** The rows that a caller may read by their id: the own tenant's, with the scope for it. */
export function readable(id: string, context: GraphQLContext): { id: string; tenantId: string } {
  const actor = actorOf(context);
  requireScope(actor, 'jobs:read');
  return { id, tenantId: actor.tenantId };
}
