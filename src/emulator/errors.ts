import type { ErrorBody, JsonObject } from './wire.ts';

const TYPE_OF_STATUS: Record<number, string> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** The error type the API names for a status; statuses it does not list share the type of 400 or 500. */
export function errorTypeOf(status: number): string {
  return TYPE_OF_STATUS[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

/** A refusal in the API's own words; whoever answers the request turns it into a status and a body. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  readonly details: JsonObject | undefined;

  constructor(status: number, message: string, details?: JsonObject) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

export function errorBody(
  type: string,
  message: string,
  requestId: string | null,
  details?: JsonObject,
): ErrorBody {
  const error = details ? { type, message, details } : { type, message };
  return { type: 'error', error, request_id: requestId };
}

/** Another emulator serves the same data directory. Nothing was touched. */
export class DataDirInUseError extends Error {
  override name = 'DataDirInUseError';
}
