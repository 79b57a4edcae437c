import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { DemoFailure } from './failure.ts';
import type { BatchState, JobStatus } from './model.ts';

/** What a subscription told about one job. */
export interface JobUpdate {
  kind: 'READY' | 'SNAPSHOT' | 'CHANGED';
  status: JobStatus;
  job: { id: string; batch: BatchState | null } | null;
}

/** Open subscriptions to some jobs. */
export interface Watch {
  /** Resolves when every subscription has told where its job stands; rejects if one cannot be opened. */
  ready: Promise<unknown>;
  /** Never resolves; rejects when a subscription is lost and does not come back. */
  lost: Promise<never>;
  close(): Promise<void>;
}

const DOCUMENT = `subscription Watch($id: ID!) {
  jobUpdated(id: $id) {
    kind status
    job { id batch { id providerBatchId status counts { requests } } }
  }
}`;

/** Subscribes to each job over one real WebSocket. A dropped connection is opened again, with a new snapshot of each. */
export function watchJobs(
  url: string,
  token: string,
  ids: readonly string[],
  onUpdate: (id: string, update: JobUpdate) => void,
): Watch {
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
  });
  let closed = false;
  const { promise: lost, reject: lose } = Promise.withResolvers<never>();
  lost.catch(() => {}); // whoever waits for it hears of it; nobody may be waiting yet
  const opened = ids.map((id) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    client.subscribe<{ jobUpdated: JobUpdate }>(
      { query: DOCUMENT, variables: { id } },
      {
        next: ({ data, errors }) => {
          if (!data) return lose(toFailure(errors));
          onUpdate(id, data.jobUpdated);
          resolve();
        },
        error: (error) => lose(toFailure(error)),
        complete: () => {
          if (!closed) lose(toFailure('the server has ended it'));
        },
      },
    );
    return promise;
  });
  return {
    ready: Promise.race([Promise.all(opened), lost]),
    lost,
    close: async () => {
      closed = true;
      await client.dispose();
    },
  };
}

/** A failed subscription gives GraphQL errors, an Error, or the event of a closed socket. */
function toFailure(error: unknown): DemoFailure {
  return new DemoFailure(`A subscription failed: ${say(error)}`, { cause: error });
}

function say(error: unknown): string {
  if (Array.isArray(error)) return error.map(say).join(' ');
  if (typeof error === 'string') return error;
  if (typeof error !== 'object' || error === null) return 'without a reason';
  if ('message' in error && typeof error.message === 'string') return error.message;
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  return `the WebSocket was closed with ${JSON.stringify(code)} ${JSON.stringify(reason)}`;
}
