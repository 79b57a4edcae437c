import { Decimal } from 'decimal.js';
import { builder } from './builder.ts';

/** The ledger rows of a job or batch, with the columns that usage and cost are summed from. */
export const ledger = {
  items: {
    select: {
      inputTokens: true,
      outputTokens: true,
      cacheWrite5m: true,
      cacheWrite1h: true,
      cacheRead: true,
      thinkingTokens: true,
      costUsd: true,
      standardCostUsd: true,
    },
  },
} as const;

/** Tokens of one job, all its submissions together. */
export interface UsageShape {
  inputTokens: number;
  outputTokens: number;
  cacheWriteTokens: number;
  cacheReadTokens: number;
  thinkingTokens: number;
}

export const Usage = builder.objectRef<UsageShape>('Usage').implement({
  description: 'Tokens, as the provider bills them; 0 until known.',
  fields: (t) => ({
    inputTokens: t.exposeInt('inputTokens', {
      description: 'Input that was neither read from nor written to the cache.',
    }),
    outputTokens: t.exposeInt('outputTokens', { description: 'Output, thinking included.' }),
    cacheWriteTokens: t.exposeInt('cacheWriteTokens', { description: 'Input written to the prompt cache.' }),
    cacheReadTokens: t.exposeInt('cacheReadTokens', { description: 'Input read from the prompt cache.' }),
    thinkingTokens: t.exposeInt('thinkingTokens', {
      description: 'The part of the output that was thinking.',
    }),
    totalTokens: t.int({
      description: 'All input and output tokens.',
      resolve: (usage) =>
        usage.inputTokens + usage.outputTokens + usage.cacheWriteTokens + usage.cacheReadTokens,
    }),
  }),
});

/** Money; undefined where a model has no known price. */
export interface CostShape {
  actualUsd: string | undefined;
  standardUsd: string | undefined;
  savedUsd: string | undefined;
}

export const Cost = builder.objectRef<CostShape>('Cost').implement({
  description:
    'Exact money from the ledger, in US dollars; null when the price of a model is not known, never a guess.',
  fields: (t) => ({
    actualUsd: t.expose('actualUsd', {
      type: 'Decimal',
      nullable: true,
      description: 'What the batch price comes to.',
    }),
    standardUsd: t.expose('standardUsd', {
      type: 'Decimal',
      nullable: true,
      description: 'What the same would have cost outside a batch.',
    }),
    savedUsd: t.expose('savedUsd', {
      type: 'Decimal',
      nullable: true,
      description: 'The difference of both.',
    }),
  }),
});

interface LedgerRow {
  inputTokens: number;
  outputTokens: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
  cacheRead: number;
  thinkingTokens: number;
  costUsd: Decimal.Value | null;
  standardCostUsd: Decimal.Value | null;
}

/** Sums the tokens of ledger rows. */
export function sumUsage(items: readonly Omit<LedgerRow, 'costUsd' | 'standardCostUsd'>[]): UsageShape {
  const sum = (of: (item: (typeof items)[number]) => number): number =>
    items.reduce((total, item) => total + of(item), 0);
  return {
    inputTokens: sum((item) => item.inputTokens),
    outputTokens: sum((item) => item.outputTokens),
    cacheWriteTokens: sum((item) => item.cacheWrite5m + item.cacheWrite1h),
    cacheReadTokens: sum((item) => item.cacheRead),
    thinkingTokens: sum((item) => item.thinkingTokens),
  };
}

/** Sums the money of ledger rows; unknown as soon as one of them is. */
export function sumCost(items: readonly Pick<LedgerRow, 'costUsd' | 'standardCostUsd'>[]): CostShape {
  const sum = (key: 'costUsd' | 'standardCostUsd'): Decimal | undefined =>
    items.some((item) => item[key] === null)
      ? undefined
      : items.reduce((total, item) => total.plus(item[key]!.toString()), new Decimal(0));
  const actual = sum('costUsd');
  const standard = sum('standardCostUsd');
  return {
    actualUsd: actual?.toFixed(),
    standardUsd: standard?.toFixed(),
    savedUsd: actual && standard?.minus(actual).toFixed(),
  };
}
