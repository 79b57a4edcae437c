/** Why a request was not done, in words that no protocol owns. Each face maps every code to its own answer. */
export const errorCodes = [
  'VALIDATION',
  'IDEMPOTENCY_CONFLICT',
  'NOT_FOUND',
  'FORBIDDEN',
  'JOB_NOT_FINISHED',
  'ALREADY_FINISHED',
  'TOO_LARGE',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
  'COUNT_CHANGED',
  'CURSOR_INVALID',
  'FILTER_NOT_SUPPORTED',
  'QUEUE_PAUSED',
  'PROVIDER_UNAVAILABLE',
  'MODEL_UNAVAILABLE',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** Why a job failed: the closed list of `errorCode` in a job's outcome. */
export const jobErrorCodes = [
  'RESULT_MISSING',
  'RESULT_GONE',
  'OUTPUT_INVALID',
  'TRUNCATED',
  'REFUSED',
  'EXPIRED',
  'INVALID_REQUEST',
  'PROVIDER_ERROR',
  'MODEL_UNAVAILABLE',
] as const;
export type JobErrorCode = (typeof jobErrorCodes)[number];

/** A failure that the caller can act on. Anything else that is thrown is a fault of ours and is never shown. */
export class DomainError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
    this.name = new.target.name;
  }
}

/** The input breaks a rule; `field` names the one at fault. */
export class ValidationError extends DomainError {
  readonly field: string;
  constructor(field: string, message: string) {
    super('VALIDATION', message);
    this.field = field;
  }
}

/** The custom id was used before for other content. */
export class IdempotencyConflictError extends DomainError {
  readonly existingJobId: string;
  constructor(customId: string, existingJobId: string) {
    super('IDEMPOTENCY_CONFLICT', `The custom id "${customId}" already names a job with other content.`);
    this.existingJobId = existingJobId;
  }
}

/** No such thing, or not the caller's: both look the same. */
export class NotFoundError extends DomainError {
  constructor(what: 'Job' | 'Batch') {
    super('NOT_FOUND', `${what} not found`);
  }
}

/** The key lacks a scope. */
export class ForbiddenError extends DomainError {
  constructor(scope: string) {
    super('FORBIDDEN', `This needs a key with the scope "${scope}".`);
  }
}

/** The job has ended already; nothing was changed. */
export class AlreadyFinishedError extends DomainError {
  constructor(status: string) {
    super('ALREADY_FINISHED', `The job is ${status} already; nothing was changed.`);
  }
}

/** The request would not fit into a batch. */
export class TooLargeError extends DomainError {
  constructor(bytes: number, limit: number) {
    super('TOO_LARGE', `The request would have ${bytes} bytes; a batch holds at most ${limit}.`);
  }
}

/** The cursor is damaged, or belongs to another filter or order. */
export class CursorInvalidError extends DomainError {
  constructor() {
    super('CURSOR_INVALID', 'The cursor is not one of this list; start again without it.');
  }
}

/** The provider refused or could not be reached; the jobs stay pending. */
export class ProviderUnavailableError extends DomainError {
  constructor(message: string) {
    super('PROVIDER_UNAVAILABLE', message);
  }
}
