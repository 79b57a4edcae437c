import type { JobStatus } from './states.ts';

/** A place in the log. Readers compare all three; see `job_event` in docs/architecture.md. */
export interface Cursor {
  epoch: number;
  xid: bigint;
  id: bigint;
}

/** One move of one job, as the log holds it. */
export interface JobEvent {
  cursor: Cursor;
  jobId: string;
  tenantId: string;
  version: number;
  status: JobStatus;
  at: Date;
}

/** What a subscriber gets: the state at the beginning, then each change. At least once, in the order of versions. */
export interface JobUpdate {
  kind: 'READY' | 'SNAPSHOT' | 'CHANGED';
  /** The cursor given by the client is unknown or too old: changes may have been missed before this update. */
  gap: boolean;
  cursor: string;
  jobId: string;
  version: number;
  status: JobStatus;
  at: Date;
}

/** The cursor as clients hold it; its form is not theirs to rely on. */
export function formatCursor({ epoch, xid, id }: Cursor): string {
  return Buffer.from(`${epoch}.${xid}.${id}`).toString('base64url');
}

/** Reads a client's cursor, or undefined when it is none. */
export function parseCursor(text: string): Cursor | undefined {
  const match = /^(\d{1,9})\.(\d{1,19})\.(\d{1,19})$/.exec(Buffer.from(text, 'base64url').toString());
  return match ? { epoch: Number(match[1]), xid: BigInt(match[2]!), id: BigInt(match[3]!) } : undefined;
}

export function compareCursors(a: Cursor, b: Cursor): number {
  if (a.epoch !== b.epoch) return a.epoch - b.epoch;
  if (a.xid !== b.xid) return a.xid < b.xid ? -1 : 1;
  return a.id === b.id ? 0 : a.id < b.id ? -1 : 1;
}

/**
 * Fans the log out to the subscribers of this process: pure memory. The feed publishes what it reads; each
 * subscription keeps the newest event of its job, so a reader that stalls costs one event, however much happens.
 */
export class Hub {
  position: Cursor = { epoch: 0, xid: 0n, id: 0n };
  readonly #byJob = new Map<string, Set<JobSubscription>>();
  #nudge: () => void = () => {};

  /** Called by the feed: what to run when this process has just committed an event. */
  onNudge(run: () => void): void {
    this.#nudge = run;
  }

  /** Tells the feed of this process that the log has grown, so that it need not wait for its next turn. */
  nudge(): void {
    this.#nudge();
  }

  /** How many subscriptions are open. */
  get size(): number {
    return this.#byJob.values().reduce((sum, set) => sum + set.size, 0);
  }

  publish(events: readonly JobEvent[], position: Cursor): void {
    this.position = position;
    for (const event of events)
      this.#byJob.get(event.jobId)?.forEach((subscription) => subscription.push(event));
  }

  /** Registers a subscriber of one job. Register first, read the snapshot then: the reverse order loses changes. */
  subscribe(jobId: string): JobSubscription {
    const set = this.#byJob.get(jobId) ?? new Set();
    const subscription = new JobSubscription(() => {
      set.delete(subscription);
      if (set.size === 0) this.#byJob.delete(jobId);
    });
    this.#byJob.set(jobId, set.add(subscription));
    return subscription;
  }

  /** Ends every subscription, for the shutdown. */
  close(): void {
    for (const set of this.#byJob.values()) for (const subscription of set) void subscription.return();
  }
}

/**
 * The updates of one job, newest only. Written by hand rather than as an async generator: a generator's `return()`
 * waits for its pending `next()`, so an idle subscription of a client that left would stay for ever.
 */
export class JobSubscription implements AsyncIterableIterator<JobUpdate, undefined> {
  readonly #release: () => void;
  #opening: JobUpdate | undefined;
  #newest: JobEvent | undefined;
  #version = 0;
  #open = false;
  #closed = false;
  #waiting: ((result: IteratorResult<JobUpdate, undefined>) => void) | undefined;

  constructor(release: () => void) {
    this.#release = release;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Gives the first update; events pushed before it and not newer than it are dropped. */
  open(snapshot: JobUpdate): this {
    this.#opening = snapshot;
    this.#open = true;
    this.#deliver();
    return this;
  }

  push(event: JobEvent): void {
    if (event.version > (this.#newest?.version ?? 0)) this.#newest = event;
    this.#deliver();
  }

  next(): Promise<IteratorResult<JobUpdate, undefined>> {
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    const update = this.#take();
    if (update) return Promise.resolve({ done: false, value: update });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<IteratorResult<JobUpdate, undefined>> {
    // Once: the client's going and the shutdown may both come here, and another may have subscribed in between.
    if (!this.#closed) this.#release();
    this.#closed = true;
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = undefined;
    return Promise.resolve({ done: true, value: undefined });
  }

  #deliver(): void {
    const update = this.#waiting && this.#take();
    if (!update) return;
    this.#waiting?.({ done: false, value: update });
    this.#waiting = undefined;
  }

  #take(): JobUpdate | undefined {
    if (!this.#open) return undefined;
    if (this.#opening) {
      const opening = this.#opening;
      this.#opening = undefined;
      this.#version = opening.version;
      return opening;
    }
    const event = this.#newest;
    this.#newest = undefined;
    if (!event || event.version <= this.#version) return undefined;
    this.#version = event.version;
    const { cursor, jobId, version, status, at } = event;
    return { kind: 'CHANGED', gap: false, cursor: formatCursor(cursor), jobId, version, status, at };
  }
}
