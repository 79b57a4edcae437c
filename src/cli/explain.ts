import { EmbeddedPostgresError } from '../adapters/embedded-postgres.ts';
import { ExternalPostgresError } from '../adapters/external-postgres.ts';
import { MigrationError } from '../adapters/migrations.ts';
import { ConfigError } from '../config.ts';
import { DomainError, ProviderError } from '../core/index.ts';

const expected = [
  ConfigError,
  EmbeddedPostgresError,
  ExternalPostgresError,
  MigrationError,
  DomainError,
  ProviderError,
];

/** What a failed command prints: the message of a failure that the user can mend, everything about any other. */
export function explain(error: unknown): string {
  if (expected.some((type) => error instanceof type) || isSystemError(error)) return (error as Error).message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function isSystemError(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^E[A-Z]+$/.test(error.code)
  );
}
