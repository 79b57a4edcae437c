import { jobTypeNames, type JobStatus } from '../core/index.ts';
import {
  anyObject,
  dateTime,
  integer,
  listOf,
  nullable,
  oneOf,
  string,
  type Field,
  type Fields,
  type FieldType,
} from './validation/fields.ts';

/** In the order in which the legacy service names them in its messages. */
export const jobType = oneOf(jobTypeNames, 'JobType');

export const jobStatus = oneOf(
  ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const satisfies readonly JobStatus[],
  'JobStatus',
);

function required<Value>(type: FieldType<Value>, description: string): Field<Value> {
  return { type, description };
}

function optional<Value>(type: FieldType<Value>, fallback: Value, description: string): Field<Value> {
  return { type, default: fallback, description };
}

const key = nullable(string({ maxLength: 255 }));

/** The body of `POST /enqueue`. */
export const enqueueRequest = {
  job_type: required(jobType, 'What to do.'),
  payload: required(anyObject, 'What to do it with: any JSON object. Numbers are kept as they are written.'),
  priority: optional(integer({ ge: 0, le: 100 }), 50, '0 to 100, higher is more urgent.'),
  run_after: optional(nullable(dateTime), null, 'Not before this time; UTC unless it has a zone.'),
  custom_id: optional(
    key,
    null,
    'Your own name of the job. Enqueueing the same content under it again returns the first job instead of making another.',
  ),
  idempotency_key: optional(key, null, 'Another name of `custom_id`.'),
} satisfies Fields;

/** Headers of `POST /enqueue`. */
export const enqueueHeaders = {
  'idempotency-key': optional(key, null, 'Another name of `custom_id` in the body.'),
} satisfies Fields;

/** The body of `POST /internal/flush`. */
export const flushRequest = {
  max_jobs: optional(integer({ ge: 1, le: 10_000 }), 100, 'At most so many jobs.'),
  job_types: optional(nullable(listOf(jobType)), null, 'Only jobs of these types; all without it.'),
  min_priority: optional(integer({ ge: 0, le: 100 }), 0, 'Only jobs of at least this priority.'),
} satisfies Fields;

/** The body of `POST /internal/poll`. */
export const pollRequest = {
  batch_id: required(string(), "Anthropic's id of the batch (`msgbatch_…`), or ours (`batch_…`)."),
} satisfies Fields;

/** The query of `GET /jobs`. Optional parameters of the legacy service are nullable in its description. */
export const listQuery = {
  status: optional(nullable(jobStatus), null, 'Only jobs with this status.'),
  job_type: optional(nullable(jobType), null, 'Only jobs of this type.'),
  limit: optional(integer(), 50, 'The most jobs of one answer; 1000 at most.'),
  cursor: optional(
    nullable(string()),
    null,
    'Where the page before this one ended; the header `Link` of that page has it.',
  ),
} satisfies Fields;
