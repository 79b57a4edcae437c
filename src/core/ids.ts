import { fromUUID, toUUID, typeidUnboxed, type TypeId } from 'typeid-js';

/** What a public id can name. The prefix is part of the id, so that an id alone says what it is. */
export type IdPrefix = 'job' | 'batch' | 'tenant' | 'key';

/** A new UUIDv7 (RFC 9562): sorts by time of creation. Made here, since PostgreSQL has it only from 18 on. */
export function newId(): string {
  return toUUID(typeidUnboxed());
}

/** The public name of a row's UUID: a TypeID such as `job_01jd8x…`, the same in GraphQL, REST, logs and the console. */
export function publicId(prefix: IdPrefix, uuid: string): string {
  return fromUUID(uuid, prefix);
}

/** The UUID that a public id names, or undefined unless it is exactly what `publicId` would print. */
export function parseId(prefix: IdPrefix, id: string): string | undefined {
  if (!id.startsWith(`${prefix}_`)) return undefined;
  try {
    const uuid = toUUID(id as TypeId<string>);
    return publicId(prefix, uuid) === id ? uuid : undefined;
  } catch {
    return undefined; // a malformed id names nothing; the caller answers as for an unknown one
  }
}

/**
 * The provider's name of one request: `<job>_<submission>`, at most 36 of the allowed 64 characters. It is the only
 * thing of ours that comes back in the results, so it proves whose a result is.
 */
export function requestName(jobId: string, submission: number): string {
  return `${publicId('job', jobId)}_${submission}`;
}

/** Reads a request's name back, or undefined when it is none of ours. */
export function parseRequestName(name: string): { jobId: string; submission: number } | undefined {
  const match = /^(job_[0-9a-z]{26})_([1-9]\d{0,4})$/.exec(name);
  const jobId = match && parseId('job', match[1]!);
  return jobId ? { jobId, submission: Number(match[2]) } : undefined;
}
