import { Decimal } from 'decimal.js';
import { sql } from './sql.ts';
import type { Context } from './context.ts';

// Enough digits that no product of a price, a token count and a factor is ever rounded.
const Exact = Decimal.clone({ precision: 60 });

/** Tokens of one answer, as the provider bills them. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
  cacheRead: number;
  thinkingTokens: number;
  webSearches: number;
}

/** What an answer cost, and what it would have cost outside a batch; undefined when the model's price is unknown. */
export interface Cost {
  usd: string;
  standardUsd: string;
}

interface Price {
  above_input_tokens: number;
  input: string;
  output: string;
  cache_write_5m: string;
  cache_write_1h: string;
  cache_read: string;
  batch_factor: string;
}

/** The prices of today, by model; bands of the same model from the highest threshold down. */
export type Prices = ReadonlyMap<string, readonly Price[]>;

/** Reads the prices in force: of each model and band the row with the latest date that is not in the future. */
export async function readPrices(context: Context): Promise<Prices> {
  const rows = await context.db.$queryRaw<(Price & { model: string })[]>(sql`
    SELECT DISTINCT ON (model, above_input_tokens) model, above_input_tokens, input::text, output::text,
           cache_write_5m::text, cache_write_1h::text, cache_read::text, batch_factor::text
      FROM price WHERE effective_from <= ${(context.clock.pinned() ?? new Date()).toISOString()}::date
     ORDER BY model, above_input_tokens DESC, effective_from DESC`);
  return Map.groupBy(rows, (row) => row.model);
}

const MILLION = 1_000_000;
/** Web searches cost $10 a thousand, with no discount in batches. */
const WEB_SEARCH = new Exact('0.01');

/**
 * The exact cost of one answer: Σ tokens × price per million, times the batch factor, plus web searches (Anthropic's
 * pricing page, "Batch processing"). A price band holds for the whole request and counts cached input too.
 */
export function costOf(prices: Prices, model: string, usage: Usage): Cost | undefined {
  const input = usage.inputTokens + usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheRead;
  const price = prices
    .get(model)
    ?.find((band) => input > band.above_input_tokens || band.above_input_tokens === 0);
  if (!price) return undefined;
  const tokens = new Exact(price.input)
    .times(usage.inputTokens)
    .plus(new Exact(price.output).times(usage.outputTokens))
    .plus(new Exact(price.cache_write_5m).times(usage.cacheWrite5m))
    .plus(new Exact(price.cache_write_1h).times(usage.cacheWrite1h))
    .plus(new Exact(price.cache_read).times(usage.cacheRead))
    .dividedBy(MILLION);
  const searches = WEB_SEARCH.times(usage.webSearches);
  return {
    usd: tokens.times(price.batch_factor).plus(searches).toFixed(),
    standardUsd: tokens.plus(searches).toFixed(),
  };
}
