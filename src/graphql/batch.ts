import {
  parseExact,
  parseId,
  publicId,
  type BatchStatus,
  type DeliveredResult,
  type JobTypeName,
} from '../core/index.ts';
import { builder } from './builder.ts';
import { readable } from './context.ts';
import { JobTypeType } from './job.ts';
import { loadBatch, loadJob } from './load.ts';

export const BatchStatusType = builder.enumType('BatchStatus', {
  description: 'Where a batch stands.',
  values: {
    SEALED: { value: 'sealed', description: 'Its jobs are fixed; it waits for its one POST.' },
    SUBMITTING: { value: 'submitting', description: 'The POST may be under way.' },
    UNKNOWN: {
      value: 'unknown',
      description: 'Whether the POST took effect is being found out; nothing is sent again.',
    },
    IN_PROGRESS: { value: 'in_progress', description: 'The provider works on it.' },
    CANCELING: { value: 'canceling', description: 'The provider is calling it off.' },
    ENDED: { value: 'ended', description: 'The provider is done; its results are being booked.' },
    INGESTED: { value: 'ingested', description: 'Every result is booked.' },
    REJECTED: {
      value: 'rejected',
      description: 'The provider never accepted it; its jobs are pending again.',
    },
  } as const satisfies Record<string, { value: BatchStatus; description: string }>,
});

const FlushReasonType = builder.enumType('FlushReason', {
  description: 'Why a batch was sealed.',
  values: {
    MANUAL: { value: 'manual', description: 'An operator asked for it.' },
    COUNT: { value: 'count', description: 'Enough jobs were due.' },
    BYTES: { value: 'bytes', description: 'Enough bytes were due.' },
    AGE: { value: 'age', description: 'The oldest due job had waited long enough.' },
    DEADLINE: { value: 'deadline', description: 'A deadline came near.' },
    PRIORITY: { value: 'priority', description: 'An urgent job was due.' },
  } as const,
});

interface CountsShape {
  requests: number;
  succeeded: number;
  errored: number;
  canceled: number;
  expired: number;
}

const BatchCounts = builder.objectRef<CountsShape>('BatchCounts').implement({
  description:
    'Requests of a batch by outcome. The provider counts nothing before the whole batch has ended.',
  fields: (t) => ({
    requests: t.exposeInt('requests', { description: 'All of them.' }),
    succeeded: t.exposeInt('succeeded', { description: 'Answered, and billed.' }),
    errored: t.exposeInt('errored', { description: 'Failed at the provider; not billed.' }),
    canceled: t.exposeInt('canceled', { description: 'Called off before they began; not billed.' }),
    expired: t.exposeInt('expired', { description: 'Not begun within 24 hours; not billed.' }),
  }),
});

export const Batch = builder.prismaNode('Batch', {
  id: { field: 'id', description: 'Our public id of it, `batch_…`.' },
  description: 'Jobs of one tenant that go to the provider together, in one paid submission.',
  nullable: true,
  findUnique: readable,
  fields: (t) => ({
    providerBatchId: t.exposeString('providerBatchId', {
      nullable: true,
      description: 'The provider’s id, `msgbatch_…`; null until it has accepted it.',
    }),
    status: t.expose('status', { type: BatchStatusType, description: 'Where it stands.' }),
    reason: t.expose('reason', { type: FlushReasonType, description: 'Why it was sealed.' }),
    message: t.exposeString('errorMessage', {
      nullable: true,
      description: 'What went wrong with its submission, if anything did.',
    }),
    counts: t.field({
      type: BatchCounts,
      description: 'Its requests by outcome.',
      select: { requestCount: true, succeeded: true, errored: true, canceled: true, expired: true },
      resolve: ({ requestCount: requests, ...outcomes }) => ({ requests, ...outcomes }),
    }),
    estimatedTokens: t.expose('estimatedTokens', {
      type: 'BigInt',
      description: 'Input tokens, estimated from the size of the requests.',
    }),
    bytes: t.expose('bytes', { type: 'BigInt', description: 'Size of the request body.' }),
    simulated: t.boolean({
      description: 'Its answers come from the emulator, not from a model.',
      select: { providerIdentity: true },
      resolve: (batch) => batch.providerIdentity.startsWith('simulated:'),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was sealed.' }),
    submittedAt: t.expose('submittedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the provider accepted it.',
    }),
    endedAt: t.expose('endedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the provider was done with it.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the provider gives up what is not begun: 24 hours after it accepted it.',
    }),
    nextPollAt: t.expose('nextPollAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the provider is asked about it next.',
    }),
  }),
});

builder.queryField('batch', (t) =>
  t.prismaField({
    type: 'Batch',
    nullable: true,
    description:
      'One batch, by our id (`batch_…`) or the provider’s (`msgbatch_…`); null when there is none.',
    args: { id: t.arg.id({ required: true, description: 'Either id.' }) },
    resolve: (query, _root, { id }, context) => {
      const ours = parseId('batch', id);
      const which = ours ? { id: ours } : { providerBatchId: id };
      return loadBatch(context, which, query);
    },
  }),
);

const ItemOutcomeType = builder.enumType('ItemOutcome', {
  description: 'How the provider ended one request.',
  values: {
    SUCCEEDED: { value: 'succeeded', description: 'Answered, and billed.' },
    ERRORED: { value: 'errored', description: 'Failed; not billed.' },
    CANCELED: { value: 'canceled', description: 'Called off before it began; not billed.' },
    EXPIRED: { value: 'expired', description: 'Not begun within 24 hours; not billed.' },
  } as const,
});

export const BatchResult = builder.objectRef<DeliveredResult>('BatchResult').implement({
  description: 'One booked result of a batch.',
  fields: (t) => ({
    job: t.prismaField({
      type: 'Job',
      nullable: true,
      description: 'The job that it is the result of; null for a row that nobody asked for.',
      resolve: (query, { job_id: jobId }, _args, context) => (jobId ? loadJob(context, jobId, query) : null),
    }),
    jobId: t.id({
      nullable: true,
      description: 'The id of that job, read without the job itself.',
      resolve: ({ job_id: jobId }) => jobId && publicId('job', jobId),
    }),
    jobType: t.field({
      type: JobTypeType,
      nullable: true,
      description: 'What that job does.',
      resolve: ({ job_type: jobType }) => jobType as JobTypeName | null,
    }),
    outcome: t.expose('outcome', { type: ItemOutcomeType, description: 'How the provider ended it.' }),
    resultJson: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The result, if the job is completed.',
      resolve: ({ result }) => result && parseExact(result),
    }),
    error: t.exposeString('error', { nullable: true, description: 'Why there is none.' }),
    totalTokens: t.field({
      type: 'BigInt',
      description: 'All input and output tokens.',
      resolve: ({ tokens }) => tokens,
    }),
    durationMs: t.float({
      nullable: true,
      description: 'From the submission of the batch until its result was booked, in milliseconds.',
      resolve: ({ duration_ms: duration }) => duration,
    }),
  }),
});
