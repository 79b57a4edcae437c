import {
  ForbiddenError,
  NotFoundError,
  parseId,
  ProviderUnavailableError,
  requireScope,
  type Delivery,
} from '../core/index.ts';
import { BatchResult } from './batch.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { loadBatch } from './load.ts';

/** The most results that one call hands over. */
const MAX_RESULTS = 1000;

const PollBatchInput = builder.inputType('PollBatchInput', {
  description: 'The batch to look at.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Our id (`batch_…`) or the provider’s (`msgbatch_…`).' }),
  }),
});

const PollBatchSuccess = builder.objectRef<Delivery>('PollBatchSuccess').implement({
  description: 'The batch as it is now.',
  fields: (t) => ({
    batch: t.prismaField({
      type: 'Batch',
      description: 'The batch.',
      resolve: async (query, { batchId }, _args, context) => {
        const batch = await loadBatch(context, { id: batchId }, query);
        return batch!;
      },
    }),
    results: t.field({
      type: [BatchResult],
      description: `Results booked and not handed over by an earlier call, at most ${MAX_RESULTS}.`,
      resolve: ({ results }) => results,
    }),
    remaining: t.exposeInt('remaining', { description: 'Requests whose results were not handed over yet.' }),
  }),
});

builder.mutationField('pollBatch', (t) =>
  t.field({
    type: PollBatchSuccess,
    description:
      'Asks the provider about a batch now, books its results if it has ended, and hands over those not handed over before. Needs the scope `operator`.',
    errors: {
      types: [NotFoundError, ForbiddenError, ProviderUnavailableError],
      union: { name: 'PollBatchResult', description: 'The outcome of `pollBatch`.' },
    },
    args: { input: t.arg({ type: PollBatchInput, required: true, description: 'The batch.' }) },
    resolve: async (_root, { input }, context) => {
      const actor = actorOf(context);
      requireScope(actor, 'operator'); // before the lookup, which would tell what exists
      const batchId =
        parseId('batch', input.id) ??
        (await loadBatch(context, { providerBatchId: input.id }, { select: { id: true } }))?.id;
      if (!batchId) throw new NotFoundError('Batch');
      return context.core.pollNow(actor, batchId, MAX_RESULTS);
    },
  }),
);
