import { setTimeout as pause } from 'node:timers/promises';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { Clock } from './ports.ts';

export type Database = PrismaClient;
export type Transaction = Prisma.TransactionClient;
export type Sql = Prisma.Sql;
export const { sql, empty: nothing, join } = Prisma;

/** The time of a statement, in whole milliseconds: the database's, unless a test has stopped the clock. */
export function now(clock: Clock): Sql {
  const pinned = clock.pinned();
  // Truncated, since a cast to timestamptz(3) rounds and could make a row due half a millisecond from now.
  return pinned ? timestamp(pinned) : sql`date_trunc('milliseconds', now())`;
}

/** A Date as a parameter. Passed as text with its zone: the driver's own form depends on the session's time zone. */
export function timestamp(date: Date): Sql {
  return sql`${date.toISOString()}::timestamptz(3)`;
}

/** Serialization failure, deadlock, lock not available: the transaction did nothing and may simply run again. */
const RETRYABLE = new Set(['40001', '40P01', '55P03']);

/** The SQLSTATE of a failed statement, or undefined if the failure was another. */
export function sqlState(error: unknown): string | undefined {
  for (let at = error; at instanceof Error || isObject(at); at = at['cause']) {
    const { originalCode, meta } = at as { originalCode?: unknown; meta?: { driverAdapterError?: unknown } };
    if (typeof originalCode === 'string') return originalCode;
    if (meta?.driverAdapterError) return sqlState(meta.driverAdapterError);
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/**
 * Runs `work` in one short transaction, again (at most five times) when the database asks for it. `work` holds no
 * network call: an open transaction stops the vacuum, and the feed stops at the oldest one.
 */
export async function transaction<T>(db: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.$transaction(work, { maxWait: 10_000, timeout: 30_000 });
    } catch (error) {
      if (attempt === 5 || !RETRYABLE.has(sqlState(error) ?? '')) throw error;
      await pause(attempt * 20 * Math.random());
    }
  }
}
