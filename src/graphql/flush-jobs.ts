import { z } from 'zod';
import { ForbiddenError, ProviderUnavailableError, ValidationError } from '../core/index.ts';
import { Batch } from './batch.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { loadBatch } from './load.ts';
import { JobTypeType } from './job.ts';

/** The longest wait for the provider that one request may ask for, in seconds. */
const MAX_WAIT = 30;

const FlushJobsInput = builder.inputType('FlushJobsInput', {
  description: 'Which due jobs to seal into batches; all of them without any field.',
  fields: (t) => ({
    maxJobs: t.int({
      description: 'At most so many jobs, in all batches together; 1 or more.',
      validate: z.number().int().min(1).nullish(),
    }),
    types: t.field({ type: [JobTypeType], description: 'Only jobs of these types.' }),
    minPriority: t.int({
      description: 'Only jobs of at least this priority, 0 to 100.',
      validate: z.number().int().min(0).max(100).nullish(),
    }),
    maxBatches: t.int({
      defaultValue: 100,
      required: true,
      description: 'At most so many batches, 1 to 100.',
      validate: z.number().int().min(1).max(100),
    }),
    waitSeconds: t.int({
      defaultValue: 0,
      required: true,
      description: `Submit at once and wait so long for the provider’s answer, 0 to ${MAX_WAIT}; with 0 the worker submits.`,
      validate: z.number().int().min(0).max(MAX_WAIT),
    }),
  }),
});

interface Flushed {
  batchIds: string[];
  jobsCount: number;
  estimatedTokens: bigint;
}

const FlushJobsSuccess = builder.objectRef<Flushed>('FlushJobsSuccess').implement({
  description: 'What was sealed; nothing, if nothing was due.',
  fields: (t) => ({
    batches: t.field({
      type: [Batch],
      description:
        'The batches, in the order they were sealed. One that the provider refused is REJECTED, and says why.',
      resolve: async ({ batchIds }, _args, context) => {
        const batches = await Promise.all(batchIds.map((id) => loadBatch(context, { id }, {})));
        return batches.filter((batch) => batch !== null);
      },
    }),
    jobsCount: t.exposeInt('jobsCount', { description: 'Jobs in all of them.' }),
    estimatedTokens: t.expose('estimatedTokens', {
      type: 'BigInt',
      description: 'Input tokens of all of them, estimated from their size.',
    }),
  }),
});

builder.mutationField('flushJobs', (t) =>
  t.field({
    type: FlushJobsSuccess,
    description:
      'Seals due jobs into batches now, most urgent first, without waiting for the flush policy. Needs the scope `operator`.',
    errors: {
      types: [ValidationError, ForbiddenError, ProviderUnavailableError],
      union: { name: 'FlushJobsResult', description: 'The outcome of `flushJobs`.' },
    },
    args: { input: t.arg({ type: FlushJobsInput, required: true, description: 'Which jobs.' }) },
    resolve: async (_root, { input }, context) => {
      const batches = await context.core.flushJobs(actorOf(context), {
        maxJobs: input.maxJobs ?? undefined,
        jobTypes: input.types ?? undefined,
        minPriority: input.minPriority ?? undefined,
        maxBatches: input.maxBatches,
        wait: input.waitSeconds * 1000,
      });
      return {
        batchIds: batches.map(({ batchId }) => batchId),
        jobsCount: batches.reduce((sum, { jobs }) => sum + jobs, 0),
        estimatedTokens: batches.reduce((sum, batch) => sum + batch.estimatedTokens, 0n),
      };
    },
  }),
);
