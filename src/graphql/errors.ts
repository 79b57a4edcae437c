import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import {
  AlreadyFinishedError,
  DomainError,
  ForbiddenError,
  IdempotencyConflictError,
  NotFoundError,
  ProviderUnavailableError,
  TooLargeError,
  ValidationError,
  type ErrorCode,
  type JobErrorCode,
  type Log,
} from '../core/index.ts';
import { builder } from './builder.ts';

/** An enum of codes with a sentence each; a code without one does not compile. */
function codes<Code extends string>(
  meanings: Record<Code, string>,
): { [code in Code]: { description: string } } {
  const entries = Object.entries<string>(meanings).map(([code, description]) => [code, { description }]);
  return Object.fromEntries(entries) as { [code in Code]: { description: string } };
}

export const ErrorCodeType = builder.enumType('ErrorCode', {
  description: 'Why a request was not done. The list is closed.',
  values: codes<ErrorCode>({
    VALIDATION: 'The input breaks a rule; the message says which and what would be right.',
    IDEMPOTENCY_CONFLICT: 'The custom id was used before, for other content.',
    NOT_FOUND: 'There is no such thing, or it is another tenant’s.',
    FORBIDDEN: 'The key lacks the scope that this needs.',
    JOB_NOT_FINISHED: 'The job has no outcome yet.',
    ALREADY_FINISHED: 'The job has ended already; nothing was changed.',
    TOO_LARGE: 'The request would not fit into a batch.',
    QUOTA_EXCEEDED: 'A limit of the tenant is reached.',
    RATE_LIMITED: 'Too many requests; try again later.',
    COUNT_CHANGED: 'The number of matching jobs is not the one that was confirmed.',
    CURSOR_INVALID: 'The cursor is damaged or belongs to another list.',
    FILTER_NOT_SUPPORTED: 'This combination of filter and order is not served.',
    QUEUE_PAUSED: 'The queue is paused by an operator.',
    PROVIDER_UNAVAILABLE: 'The provider refused or could not be reached; nothing is lost.',
    MODEL_UNAVAILABLE: 'The model is unknown or retired.',
  }),
});

export const JobErrorCodeType = builder.enumType('JobErrorCode', {
  description: 'Why a job failed. The list is closed.',
  values: codes<JobErrorCode>({
    RESULT_MISSING: 'The provider’s results hold no row for it.',
    RESULT_GONE: 'The provider has archived or deleted the results.',
    OUTPUT_INVALID: 'The answer does not fit the job type’s result schema; `rawText` has it.',
    TRUNCATED: 'The answer reached its limit of tokens before its end; `rawText` has what came.',
    REFUSED: 'The model refused to answer.',
    EXPIRED: 'The provider let it expire too often.',
    INVALID_REQUEST: 'The provider calls the request invalid.',
    PROVIDER_ERROR: 'The provider failed, as often as the job may be tried.',
    MODEL_UNAVAILABLE: 'The provider does not have the model.',
  }),
});

const ErrorInterface = builder.interfaceRef<DomainError>('Error').implement({
  description:
    'A failure that the caller can act on. Faults of the server are masked and never come this way.',
  fields: (t) => ({
    code: t.field({
      type: ErrorCodeType,
      description: 'What kind of failure.',
      resolve: (error) => error.code,
    }),
    message: t.exposeString('message', {
      description: 'What was wrong and what would be right, for people.',
    }),
  }),
});

builder.objectType(ValidationError, {
  name: 'ValidationError',
  description: 'The input breaks a rule.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    field: t.exposeString('field', { description: 'The field at fault, such as `priority`.' }),
  }),
});
builder.objectType(ForbiddenError, {
  name: 'ForbiddenError',
  description: 'The key lacks a scope.',
  interfaces: [ErrorInterface],
});
builder.objectType(NotFoundError, {
  name: 'NotFoundError',
  description: 'There is no such thing, or it is another tenant’s.',
  interfaces: [ErrorInterface],
});
builder.objectType(AlreadyFinishedError, {
  name: 'AlreadyFinishedError',
  description: 'The job has ended already; nothing was changed.',
  interfaces: [ErrorInterface],
});
builder.objectType(TooLargeError, {
  name: 'TooLargeError',
  description: 'The request would not fit into a batch.',
  interfaces: [ErrorInterface],
});
builder.objectType(ProviderUnavailableError, {
  name: 'ProviderUnavailableError',
  description: 'The provider refused or could not be reached; the jobs wait.',
  interfaces: [ErrorInterface],
});

/** Its field `existingJob` is added with the type Job. */
export const IdempotencyConflictErrorType = builder.objectType(IdempotencyConflictError, {
  name: 'IdempotencyConflictError',
  description: 'The custom id names a job with other content. Take another id, or send the same content.',
  interfaces: [ErrorInterface],
});

/**
 * What of an error the client may see: failures that it can act on, with their code, and what GraphQL itself says of
 * a bad query. Anything else is logged in full under an id, and only the id is shown.
 */
export function maskError(error: unknown, log: Log): GraphQLError {
  if (!(error instanceof GraphQLError)) return hide(error, log);
  const { originalError } = error;
  if (!originalError || originalError instanceof GraphQLError) return error;
  const { nodes, path } = error;
  if (originalError instanceof DomainError) {
    return new GraphQLError(originalError.message, { nodes, path, extensions: { code: originalError.code } });
  }
  const hidden = hide(originalError, log);
  return new GraphQLError(hidden.message, { nodes, path, extensions: hidden.extensions });
}

function hide(error: unknown, log: Log): GraphQLError {
  const errorId = randomUUID();
  log.error({ errorId, err: error }, 'a request failed by a fault of the server');
  return new GraphQLError(`Something went wrong here; error ${errorId}.`, {
    extensions: { code: 'INTERNAL', errorId },
  });
}
