import type { Stats as StatsShape } from '../core/index.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';

const Stats = builder.objectRef<StatsShape>('Stats').implement({
  description:
    'Figures of the tenant. Money and tokens are of the current provider account only: simulated and real never add up.',
  fields: (t) => ({
    totalJobs: t.field({ type: 'BigInt', description: 'All jobs ever.', resolve: (stats) => stats.total }),
    pendingJobs: t.field({
      type: 'BigInt',
      description: 'Jobs that wait for a flush.',
      resolve: (stats) => stats.byStatus.pending,
    }),
    processingJobs: t.field({
      type: 'BigInt',
      description: 'Jobs in a batch.',
      resolve: (stats) => stats.byStatus.processing,
    }),
    completedJobs: t.field({
      type: 'BigInt',
      description: 'Jobs with a result.',
      resolve: (stats) => stats.byStatus.completed,
    }),
    failedJobs: t.field({
      type: 'BigInt',
      description: 'Jobs with an error.',
      resolve: (stats) => stats.byStatus.failed,
    }),
    cancelledJobs: t.field({
      type: 'BigInt',
      description: 'Jobs called off.',
      resolve: (stats) => stats.byStatus.cancelled,
    }),
    inputTokens: t.expose('inputTokens', {
      type: 'BigInt',
      description: 'Input tokens billed, cached ones included.',
    }),
    outputTokens: t.expose('outputTokens', { type: 'BigInt', description: 'Output tokens billed.' }),
    costUsd: t.expose('costUsd', { type: 'Decimal', description: 'What all answers cost, exact.' }),
    standardCostUsd: t.expose('standardCostUsd', {
      type: 'Decimal',
      description: 'What they would have cost outside batches.',
    }),
    savedUsd: t.expose('savedUsd', { type: 'Decimal', description: 'The difference of both.' }),
    unpricedItems: t.expose('unpricedItems', {
      type: 'BigInt',
      description: 'Answers of models without a known price; they are missing from the money figures.',
    }),
    meanDurationMs: t.float({
      nullable: true,
      description: 'From enqueued to completed, the mean of all completed jobs, in milliseconds.',
      resolve: (stats) => stats.meanDurationMs,
    }),
    simulated: t.exposeBoolean('simulated', {
      description: 'The figures come from the emulator, not from a model.',
    }),
  }),
});

builder.queryField('stats', (t) =>
  t.field({
    type: Stats,
    description: 'Figures of the tenant, from kept counts.',
    resolve: (_root, _args, context) => context.core.readStats(actorOf(context)),
  }),
);
