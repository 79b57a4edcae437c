import { sql } from './sql.ts';
import type { Context } from './context.ts';

/**
 * How long a batch takes before there is any history: the provider's own words are "most within an hour". Everything
 * forecast from it is a guess and is shown as one.
 */
const DEFAULT_BATCH_DURATION = 60 * 60 * 1000;
const HISTORY = 100;

/**
 * Input tokens of a request, estimated from its size: 2.5 bytes a token, rounded up. Newer Claude tokenizers make
 * about 2.5 characters a token of Latin text; JSON and other scripts come out lower, so this leans high.
 */
export function estimateTokens(requestBytes: number): number {
  return Math.ceil(requestBytes / 2.5);
}

/** When a job enqueued or started now is likely done: the median of the last 100 batches, or one hour without any. */
export async function forecastCompletion(context: Context, from: Date): Promise<Date> {
  // Batches of no account at all when the provider cannot say whose answers: a guess must not fail what it stands by.
  const identity = await context.provider.identity().catch(() => '');
  const [row] = await context.db.$queryRaw<[{ median: number | null }]>(sql`
    SELECT (extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY duration)) * 1000)::float8 AS median
      FROM (SELECT ended_at - created_at AS duration FROM batch
             WHERE ended_at IS NOT NULL AND provider_identity = ${identity}
             ORDER BY created_at DESC LIMIT ${HISTORY}) AS recent`);
  return new Date(from.getTime() + (row?.median ?? DEFAULT_BATCH_DURATION));
}
