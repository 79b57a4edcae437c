import { createHash } from 'node:crypto';
import Anthropic, { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import type { MessageBatch } from '@anthropic-ai/sdk/resources/messages/batches';
import { ProviderError, type Provider, type ProviderBatch } from '../core/index.ts';
import { splitLines } from './lines.ts';

export interface AnthropicOptions {
  apiKey: string;
  /** Where the API is; undefined is Anthropic's own address. The emulator is just another one. */
  baseURL?: string | undefined;
  /** How long the POST of a batch may take until its answer begins, in milliseconds. */
  submitTimeout: number;
}

/** How long any other call may take until its answer begins, in milliseconds. */
const READ_TIMEOUT = 60_000;

/** These statuses say that nothing was created; any other, a lost connection included, leaves it open. */
const REFUSALS = new Set([400, 401, 402, 403, 404, 413, 422, 429]);
/** The connection was never made, so nothing was sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN']);

const BATCHES = '/v1/messages/batches';
const STATUSES: ReadonlySet<unknown> = new Set(['in_progress', 'canceling', 'ended']);
const COUNTS = ['processing', 'succeeded', 'errored', 'canceled', 'expired'] as const;

/** The Message Batches API through Anthropic's SDK. */
export function anthropicProvider({ apiKey, baseURL, submitTimeout }: AnthropicOptions): Provider {
  // maxRetries 0 for every call. A POST repeated by the SDK after a lost connection is a second paid batch; and of
  // the others it would sleep as long as a `retry-after` says, an hour if so, with everything behind them waiting.
  // Whoever calls asks again in its own time.
  const client = new Anthropic({ apiKey, baseURL, timeout: READ_TIMEOUT, maxRetries: 0, logLevel: 'off' });
  let identity: string | undefined;
  return {
    identity: async () => (identity ??= await call(() => readIdentity(client, apiKey))),

    create: (body) =>
      call(async () => {
        // The body goes out as it is, with its exact length; an object would be serialized anew, whole, in memory.
        const created = await client.post<MessageBatch>(BATCHES, {
          body,
          headers: { 'content-type': 'application/json' },
          timeout: submitTimeout,
        });
        return readBatch(created);
      }),

    retrieve: (id) => call(async () => readBatch(await client.messages.batches.retrieve(id))),
    cancel: (id) => call(async () => readBatch(await client.messages.batches.cancel(id))),

    async *list() {
      let page = await call(() => client.messages.batches.list({ limit: 100 }));
      for (;;) {
        for (const batch of page.data) yield readBatch(batch);
        if (!page.hasNextPage()) return;
        const current = page;
        page = await call(() => current.getNextPage());
      }
    },

    async *results(id) {
      // Not the SDK's results(): that drops rows without a word when the stream ends early, throws on a blank line,
      // takes quadratic time on long lines, and sends the key to whatever host `results_url` names.
      const response = await call(() =>
        client
          .get(`${BATCHES}/${encodeURIComponent(id)}/results`, {
            headers: { accept: 'application/binary' },
            __binaryResponse: true,
          })
          .asResponse(),
      );
      try {
        if (response.body) yield* splitLines(response.body);
      } catch (error) {
        throw new ProviderError('unclear', `The stream of results broke off: ${(error as Error).message}`, {
          cause: error,
        });
      }
    },
  };
}

/** The workspace that the key belongs to, as every answer names it; an emulator names itself beside it. */
async function readIdentity(client: Anthropic, apiKey: string): Promise<string> {
  const { headers } = await client.get(BATCHES, { query: { limit: 1 } }).asResponse();
  const emulator = headers.get('x-offpeak-emulator');
  if (emulator) return `simulated:${emulator}`;
  const workspace = headers.get('anthropic-workspace-id');
  return `anthropic:${workspace ?? `key-${createHash('sha256').update(apiKey).digest('hex').slice(0, 16)}`}`;
}

/** Throws when the answer is not a batch: a proxy may say 200 to anything, and what it lacks would be stored as unknown. */
function readBatch(batch: MessageBatch): ProviderBatch {
  const read: ProviderBatch = {
    id: batch.id,
    status: batch.processing_status,
    counts: batch.request_counts,
    createdAt: new Date(batch.created_at),
    expiresAt: new Date(batch.expires_at),
    endedAt: batch.ended_at ? new Date(batch.ended_at) : undefined,
  };
  const whole =
    typeof read.id === 'string' &&
    STATUSES.has(read.status) &&
    COUNTS.every((name) => Number.isInteger(read.counts?.[name])) &&
    [read.createdAt, read.expiresAt, read.endedAt].every((time) => !time || !Number.isNaN(time.getTime()));
  if (!whole) throw new TypeError('it is not a batch');
  return read;
}

async function call<T>(run: () => PromiseLike<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toProviderError(error);
  }
}

function toProviderError(error: unknown): ProviderError {
  if (error instanceof APIConnectionError) {
    const code = causeCode(error);
    return new ProviderError(
      code && NOT_SENT.has(code) ? 'refused' : 'unclear',
      `The provider could not be reached: ${code ?? error.message}`,
      { cause: error },
    );
  }
  if (error instanceof APIError) {
    const { status, type, errorCode, apiMessage, message } = error;
    const effect = status !== undefined && REFUSALS.has(status) ? 'refused' : 'unclear';
    return new ProviderError(effect, apiMessage ?? message, {
      status,
      type: errorCode ?? type ?? undefined,
      cause: error,
    });
  }
  // An answer with status 200 that cannot be read, or a fault in here: either way the POST may have worked.
  return new ProviderError('unclear', `The provider's answer could not be read: ${String(error)}`, {
    cause: error,
  });
}

/** Why undici failed: the first code down the chain of causes. */
function causeCode(error: Error): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return undefined;
}
