import {
  DomainError,
  ForbiddenError,
  IdempotencyConflictError,
  TooLargeError,
  ValidationError,
  type Enqueued,
} from '../core/index.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { loadExistingJob } from './load.ts';
import { JobTypeType } from './job.ts';

const EnqueueJobInput = builder.inputType('EnqueueJobInput', {
  description: 'One job to run.',
  fields: (t) => ({
    type: t.field({ type: JobTypeType, required: true, description: 'What to do.' }),
    payload: t.field({
      type: 'JSON',
      required: true,
      description:
        'A JSON object; see the job type for the fields it understands. Extra fields go to the model as well.',
    }),
    priority: t.int({ description: '0 to 100, higher is more urgent; 50 unless given.' }),
    runAfter: t.field({ type: 'DateTime', description: 'Do not submit it before this time.' }),
    customId: t.string({
      description:
        'Your own name of the job, 1 to 255 characters, unique in your tenant: enqueueing the same content under it again returns the first job instead of making another.',
    }),
  }),
});

const EnqueueJobSuccess = builder.objectRef<Enqueued>('EnqueueJobSuccess').implement({
  description: 'The job is stored, durably.',
  fields: (t) => ({
    job: t.prismaField({
      type: 'Job',
      description: 'The job.',
      resolve: (query, { jobId }, _args, context) => loadExistingJob(context, jobId, query),
    }),
    replayed: t.exposeBoolean('replayed', {
      description: 'The custom id named this job already, with the same content; nothing new was made.',
    }),
    estimatedCompletion: t.field({
      type: 'DateTime',
      description:
        'When it is likely done, if flushed now: the median of the last batches, one hour before there are any. A guess.',
      resolve: (_enqueued, _args, { core }) => core.forecastCompletion(new Date()),
    }),
  }),
});

builder.mutationField('enqueueJob', (t) =>
  t.field({
    type: EnqueueJobSuccess,
    description: 'Stores a job to be run with one of the next batches. Needs the scope `jobs:write`.',
    errors: {
      types: [ValidationError, IdempotencyConflictError, TooLargeError, ForbiddenError],
      union: { name: 'EnqueueJobResult', description: 'The outcome of `enqueueJob`.' },
    },
    args: { input: t.arg({ type: EnqueueJobInput, required: true, description: 'The job.' }) },
    resolve: async (_root, { input }, context) => {
      const [enqueued] = await context.core.enqueue(actorOf(context), [
        {
          type: input.type,
          payload: JSON.stringify(input.payload),
          priority: input.priority ?? undefined,
          runAfter: input.runAfter ?? undefined,
          customId: input.customId ?? undefined,
        },
      ]);
      if (enqueued instanceof DomainError) throw enqueued;
      return enqueued!;
    },
  }),
);
