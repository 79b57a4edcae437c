/** The outside, as the rules see it. One adapter each; the emulator is the same adapter at another URL. */

/** `pinned` is the time that a test has stopped the clock at; undefined in production, where SQL uses the database's. */
export interface Clock {
  pinned(): Date | undefined;
}

/** A structured log line: fields first, then the sentence. Never a payload, never a secret. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the provider says of a batch. Counts stay zero, but for `processing`, until the whole batch has ended. */
export interface ProviderBatch {
  id: string;
  status: 'in_progress' | 'canceling' | 'ended';
  counts: { processing: number; succeeded: number; errored: number; canceled: number; expired: number };
  createdAt: Date;
  expiresAt: Date;
  endedAt: Date | undefined;
}

export interface Provider {
  /**
   * Whose account answers: `anthropic:<workspace or key fingerprint>`, or `simulated:<emulator>`. Rows of another
   * identity are never submitted again, polled or added up with this one's.
   */
  identity(): Promise<string>;
  /**
   * Submits one batch in one POST, never repeated: the provider knows no idempotency, so a repeated POST is a second
   * paid batch. `body` is the exact JSON text in UTF-8. Throws ProviderError.
   */
  create(body: Buffer): Promise<ProviderBatch>;
  retrieve(id: string): Promise<ProviderBatch>;
  /** Batches newest first, page by page. */
  list(): AsyncIterable<ProviderBatch>;
  cancel(id: string): Promise<ProviderBatch>;
  /** The lines of the results, as they come; each one JSON text. A stream cut short throws or simply ends. */
  results(id: string): AsyncIterable<string>;
}

/**
 * A call to the provider failed. `refused`: it certainly did nothing. `unclear`: it may have done it (connection
 * lost, timeout, 408, 409, 5xx, an answer that cannot be read, any status not known to be a refusal).
 */
export class ProviderError extends Error {
  readonly effect: 'refused' | 'unclear';
  readonly status: number | undefined;
  readonly type: string | undefined;
  constructor(
    effect: 'refused' | 'unclear',
    message: string,
    details: { status?: number; type?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'ProviderError';
    this.effect = effect;
    this.status = details.status;
    this.type = details.type;
  }
}
