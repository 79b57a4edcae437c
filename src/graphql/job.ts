import {
  type IdempotencyConflictError,
  jobTypes,
  parseExact,
  parseId,
  type JobErrorCode,
  type JobStatus,
  type JobTypeName,
} from '../core/index.ts';
import { builder } from './builder.ts';
import { readable } from './context.ts';
import { loadJob } from './load.ts';
import { IdempotencyConflictErrorType, JobErrorCodeType } from './errors.ts';
import { Cost, ledger, sumCost, sumUsage, Usage } from './usage.ts';

export const JobStatusType = builder.enumType('JobStatus', {
  description: 'Where a job stands.',
  values: {
    PENDING: { value: 'pending', description: 'Waits for a flush.' },
    PROCESSING: { value: 'processing', description: 'Is in a batch, sealed or at the provider.' },
    COMPLETED: { value: 'completed', description: 'Has a result.' },
    FAILED: { value: 'failed', description: 'Has an error.' },
    CANCELLED: { value: 'cancelled', description: 'Was called off by its owner.' },
  } as const satisfies Record<string, { value: JobStatus; description: string }>,
});

export const JobTypeType = builder.enumType('JobType', {
  description: 'What a job does.',
  values: Object.fromEntries(
    Object.values(jobTypes).map(({ name, purpose }) => [
      name.toUpperCase(),
      { value: name, description: purpose },
    ]),
  ) as Record<Uppercase<JobTypeName>, { value: JobTypeName; description: string }>,
});

export const JobErrorType = builder.objectRef<{ code: JobErrorCode; message: string }>('JobError').implement({
  description: 'Why a job failed.',
  fields: (t) => ({
    code: t.expose('code', { type: JobErrorCodeType, description: 'What kind of failure.' }),
    message: t.exposeString('message', { description: 'What the provider or the check said.' }),
  }),
});

export const Job = builder.prismaNode('Job', {
  id: { field: 'id', description: 'The job’s public id, `job_…`; the same in REST and in the logs.' },
  description: 'One request to a model, run in a batch.',
  nullable: true,
  findUnique: readable,
  fields: (t) => ({
    type: t.field({
      type: JobTypeType,
      description: 'What it does.',
      select: { type: true },
      resolve: (job) => job.type as JobTypeName,
    }),
    status: t.expose('status', { type: JobStatusType, description: 'Where it stands.' }),
    priority: t.exposeInt('priority', { description: '0 to 100, higher is more urgent.' }),
    customId: t.exposeString('customId', { nullable: true, description: 'The client’s own name of it.' }),
    payload: t.field({
      type: 'JSON',
      description: 'What the client sent.',
      select: { payload: { select: { payload: true } } },
      resolve: (job) => parseExact(job.payload!.payload),
    }),
    resultJson: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The result of a completed job, in the form of its type’s result schema.',
      select: { outcome: { select: { result: true } } },
      resolve: (job) => (job.outcome?.result ? parseExact(job.outcome.result) : null),
    }),
    rawText: t.string({
      nullable: true,
      description: 'What the model wrote, kept for a failed job whose answer could not be used.',
      select: { outcome: { select: { rawText: true } } },
      resolve: (job) => job.outcome?.rawText,
    }),
    error: t.field({
      type: JobErrorType,
      nullable: true,
      description: 'Why it failed; null unless it did.',
      select: { outcome: { select: { errorCode: true, errorMessage: true } } },
      resolve: ({ outcome }) =>
        outcome?.errorCode
          ? { code: outcome.errorCode as JobErrorCode, message: outcome.errorMessage ?? '' }
          : null,
    }),
    attempt: t.exposeInt('attempt', { description: 'How often it has failed so far.' }),
    maxAttempts: t.exposeInt('maxAttempts', { description: 'How often it may fail before it is given up.' }),
    batch: t.relation('batch', {
      nullable: true,
      description: 'The batch that it is in, or was in last; null while pending.',
    }),
    usage: t.field({
      type: Usage,
      description: 'Tokens of all its submissions.',
      select: ledger,
      resolve: (job) => sumUsage(job.items),
    }),
    cost: t.field({
      type: Cost,
      description: 'Cost of all its submissions.',
      select: ledger,
      resolve: (job) => sumCost(job.items),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was enqueued.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it last changed its status.' }),
    runAfter: t.expose('runAfter', {
      type: 'DateTime',
      nullable: true,
      description: 'It is not submitted before this time.',
    }),
    submittedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its batch was accepted by the provider.',
      select: { batch: { select: { submittedAt: true } } },
      resolve: (job) => job.batch?.submittedAt,
    }),
    completedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ended, however it did.',
      select: { outcome: { select: { completedAt: true } } },
      resolve: (job) => job.outcome?.completedAt,
    }),
    version: t.exposeInt('version', { description: 'Rises by one with each change of status.' }),
  }),
});

builder.objectField(IdempotencyConflictErrorType, 'existingJob', (t) =>
  t.prismaField({
    type: 'Job',
    nullable: true,
    description: 'The job that has the custom id.',
    resolve: (query, error: IdempotencyConflictError, _args, context) =>
      loadJob(context, error.existingJobId, query),
  }),
);

builder.queryField('job', (t) =>
  t.prismaField({
    type: 'Job',
    nullable: true,
    description: 'One job by its id; null when there is none, or it is another tenant’s.',
    args: { id: t.arg.id({ required: true, description: 'Such as job_01jd8x….' }) },
    resolve: (query, _root, { id }, context) => {
      const jobId = parseId('job', id);
      return jobId ? loadJob(context, jobId, query) : null;
    },
  }),
);
