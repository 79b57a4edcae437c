import { ForbiddenError, ProviderUnavailableError } from './errors.ts';
import type { Hub } from './events.ts';
import { ProviderError, type Clock, type Log, type Provider } from './ports.ts';
import type { Database } from './sql.ts';

/** The settings that the rules follow; durations in milliseconds. `config.ts` holds the defaults. */
export interface Policy {
  /** How long newer work of higher priority may overtake; a job of priority 0 waits at most this much longer. */
  priorityBound: number;
  /** The most requests and bytes that one batch holds. */
  batchRequests: number;
  batchBytes: number;
  /** Seal a batch when so many jobs are due, or the oldest has waited so long; undefined switches the trigger off. */
  flushCount: number | undefined;
  flushAge: number | undefined;
  /** How often a job is tried when the provider fails it for a passing reason. */
  maxAttempts: number;
  /** The pause before a failed job is tried again, doubled at each attempt. */
  retryDelay: number;
  /** The pause between two looks at a batch, and the most it grows to after failed looks. */
  pollInterval: number;
  pollBackoff: number;
  /** The most results that one statement books. */
  ingestRows: number;
  /** How long a process owns an ingest without a sign of life. */
  lease: number;
  /** How long the one POST of a batch may take. */
  submitTimeout: number;
  /** How long a batch of unknown outcome must stay unseen at the provider before it counts as never accepted. */
  absentAfter: number;
  /** Nobody else makes batches in the provider's workspace, so an unknown batch of the right size is ours. */
  dedicatedWorkspace: boolean;
}

/** What every verb works with. */
export interface Context {
  db: Database;
  provider: Provider;
  clock: Clock;
  log: Log;
  policy: Policy;
  hub: Hub;
  /** This process, as the owner of leases. */
  owner: string;
}

export const scopes = ['jobs:read', 'jobs:write', 'operator', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** Who asks: the tenant whose rows exist for the caller, and what the caller may do with them. */
export interface Actor {
  tenantId: string;
  keyId: string;
  scopes: readonly Scope[];
}

/** Which scopes allow what: whoever may write or run jobs may read them, and an admin is an operator too. */
const grants: Record<Scope, readonly Scope[]> = {
  'jobs:read': ['jobs:read', 'jobs:write', 'operator', 'admin'],
  'jobs:write': ['jobs:write'],
  operator: ['operator', 'admin'],
  admin: ['admin'],
};

/** Whether the actor may do what the scope stands for. */
export function hasScope(actor: Actor, scope: Scope): boolean {
  return actor.scopes.some((held) => grants[scope].includes(held));
}

/** Throws ForbiddenError unless the actor may do what the scope stands for. */
export function requireScope(actor: Actor, scope: Scope): void {
  if (!hasScope(actor, scope)) throw new ForbiddenError(scope);
}

/** Whose account the provider answers for, on behalf of a caller: throws ProviderUnavailableError while nobody knows. */
export async function identityFor(context: Context): Promise<string> {
  try {
    return await context.provider.identity();
  } catch (error) {
    if (error instanceof ProviderError) throw new ProviderUnavailableError(error.message);
    throw error;
  }
}
