import { AlreadyFinishedError, ForbiddenError, NotFoundError, parseId } from '../core/index.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { loadExistingJob } from './load.ts';

const CancelJobInput = builder.inputType('CancelJobInput', {
  description: 'The job to call off.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Such as job_01jd8x….' }) }),
});

const CancelJobSuccess = builder.objectRef<{ jobId: string }>('CancelJobSuccess').implement({
  description:
    'The job is cancelled. If it was in a batch already, its result is dropped; what it costs is still booked.',
  fields: (t) => ({
    job: t.prismaField({
      type: 'Job',
      description: 'The job.',
      resolve: (query, { jobId }, _args, context) => loadExistingJob(context, jobId, query),
    }),
  }),
});

builder.mutationField('cancelJob', (t) =>
  t.field({
    type: CancelJobSuccess,
    description: 'Calls a job off. Needs the scope `jobs:write`.',
    errors: {
      types: [NotFoundError, AlreadyFinishedError, ForbiddenError],
      union: { name: 'CancelJobResult', description: 'The outcome of `cancelJob`.' },
    },
    args: { input: t.arg({ type: CancelJobInput, required: true, description: 'The job.' }) },
    resolve: async (_root, { input }, context) => {
      const jobId = parseId('job', input.id);
      if (!jobId) throw new NotFoundError('Job');
      await context.core.cancelJob(actorOf(context), jobId);
      return { jobId };
    },
  }),
);
