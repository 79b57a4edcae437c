import { Decimal } from 'decimal.js';
import type { JobFields } from './operations.ts';

/** A job in its legacy form; every key is always there. */
export function toJob(job: JobFields): object {
  return {
    id: job.id,
    job_type: toWord(job.type),
    status: toWord(job.status),
    priority: job.priority,
    custom_id: job.customId,
    batch_id: job.batch?.providerBatchId ?? null,
    created_at: toDateTime(job.createdAt),
    updated_at: toDateTime(job.updatedAt),
    run_after: job.runAfter && toDateTime(job.runAfter),
    completed_at: job.completedAt && toDateTime(job.completedAt),
    tokens_used: job.usage.totalTokens,
    error_message: job.error?.message ?? null,
  };
}

/** The legacy word for a GraphQL enum value. */
export function toWord(value: string): string {
  return value.toLowerCase();
}

/** The GraphQL enum value for a legacy word. */
export function toEnum(word: string): string {
  return word.toUpperCase();
}

/** `2019-08-24T14:15:22Z`; with a fraction, always six digits, only when it is not zero. */
export function toDateTime(iso: string): string {
  return iso.replace(/\.(\d{3})Z$/, (_match, milliseconds: string) =>
    milliseconds === '000' ? 'Z' : `.${milliseconds}000Z`,
  );
}

/** US dollars as a JSON number, rounded half to even at six places. */
export function toDollars(exact: string): number {
  return new Decimal(exact).toDecimalPlaces(6, Decimal.ROUND_HALF_EVEN).toNumber();
}

/** Adds whole numbers of any size that print as JSON. */
export function sum(...numbers: unknown[]): unknown {
  return JSON.rawJSON(String(numbers.reduce((total: bigint, each) => total + toBigInt(each), 0n)));
}

function toBigInt(number: unknown): bigint {
  return BigInt(JSON.stringify(number));
}
