import { jobStatus, jobType } from './requests.ts';
import type { Schema } from './validation/fields.ts';

/** What answers look like, for the OpenAPI document; the routes name them. */

const reference = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
const text: Schema = { type: 'string' };
const count: Schema = { type: 'integer', minimum: 0 };
const number: Schema = { type: 'number' };
const time: Schema = { type: 'string', format: 'date-time' };
const flag: Schema = { type: 'boolean' };

/** An object whose keys are all always there. */
function record(description: string, properties: Record<string, Schema>): Schema {
  return { type: 'object', description, properties, required: Object.keys(properties) };
}

export const answerSchemas: Readonly<Record<string, Schema>> = {
  JobType: { type: 'string', enum: jobType.words, description: 'What a job does.' },
  JobStatus: { type: 'string', enum: jobStatus.words, description: 'Where a job stands.' },
  Job: record('A job.', {
    id: text,
    job_type: reference('JobType'),
    status: reference('JobStatus'),
    priority: { type: 'integer', minimum: 0, maximum: 100 },
    custom_id: orNull(text),
    batch_id: orNull({ ...text, description: "The provider's id of its batch, `msgbatch_…`." }),
    created_at: time,
    updated_at: time,
    run_after: orNull(time),
    completed_at: orNull(time),
    tokens_used: { ...count, description: 'Input and output tokens, 0 until known.' },
    error_message: orNull(text),
  }),
  EnqueueResponse: record('The job is stored.', {
    success: flag,
    job: reference('Job'),
    message: text,
    estimated_completion: { ...time, description: 'When it is likely done. A guess.' },
  }),
  JobListResponse: record('One page of jobs.', {
    jobs: { type: 'array', items: reference('Job') },
    total_count: { ...count, description: 'Jobs that match, on all pages.' },
    pending_count: { ...count, description: 'All pending jobs, whether they match or not.' },
    processing_count: { ...count, description: 'All processing jobs, whether they match or not.' },
  }),
  CancelResponse: {
    type: 'object',
    description: 'Whether the job was called off.',
    additionalProperties: flag,
    example: { success: true },
  },
  JobResult: {
    type: 'object',
    description: "The result, in the form of the job's type.",
    additionalProperties: true,
  },
  StatsResponse: record('Figures of all jobs.', {
    total_jobs_queued: { ...count, description: 'All jobs ever.' },
    pending_jobs: count,
    processing_jobs: count,
    completed_jobs: count,
    failed_jobs: count,
    total_tokens_used: count,
    total_cost_usd: number,
    total_savings_usd: number,
    avg_processing_time_hours: {
      ...number,
      description: 'From enqueued to completed; 0 before the first.',
    },
  }),
  FlushResponse: record('What was sent.', {
    success: flag,
    batch_id: orNull({ ...text, description: "The provider's id, or ours until the provider has one." }),
    jobs_count: count,
    estimated_tokens: count,
    message: text,
  }),
  PollResponse: record('The batch as it is now.', {
    success: flag,
    batch_id: text,
    status: { type: 'string', enum: ['in_progress', 'canceling', 'ended'] },
    results: { type: 'array', items: reference('BatchResult') },
    jobs_processed: { ...count, description: 'Results in this answer, at most 1000.' },
    jobs_remaining: { ...count, description: 'Jobs whose results were not handed over yet.' },
    message: text,
  }),
  BatchResult: record('One result of a batch.', {
    job_id: orNull(text),
    job_type: orNull(reference('JobType')),
    status: { type: 'string', enum: ['succeeded', 'errored', 'canceled', 'expired'] },
    result: orNull(reference('JobResult')),
    error: orNull(text),
    tokens_used: count,
    processing_time_ms: orNull(count),
  }),
  Refusal: {
    type: 'object',
    properties: { detail: { anyOf: [text, reference('RefusalDetail')] } },
    required: ['detail'],
  },
  RefusalDetail: {
    type: 'object',
    properties: { code: text, message: text, status: reference('JobStatus'), job_id: orNull(text) },
    required: ['code', 'message'],
  },
  HTTPValidationError: {
    type: 'object',
    properties: { detail: { type: 'array', items: reference('ValidationError') } },
  },
  ValidationError: {
    type: 'object',
    properties: {
      type: text,
      loc: { type: 'array', items: { anyOf: [text, { type: 'integer' }] } },
      msg: text,
      input: {},
      ctx: { type: 'object' },
    },
    required: ['type', 'loc', 'msg'],
  },
};
