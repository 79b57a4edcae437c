import type { Pace } from './clock.ts';
import { Random } from './random.ts';
import type { RequestIndex } from './request-file.ts';
import type { RequestCounts } from './wire.ts';

export const WINDOW_MS = 24 * 3_600_000;
export const RETENTION_MS = 29 * 24 * 3_600_000;

// Work milliseconds; at speed 1 they are milliseconds. Chosen so that batches take some 3 to 10 minutes.
const QUEUE_LEAST = 120_000;
const QUEUE_SPREAD = 60_000;
const START_SPREAD = 120_000;
const TAKES_LEAST = 30_000;
const TAKES_MOST = 300_000;
/** A batch stays `canceling` at least this long, even if nothing was running. */
const CANCELING_LEAST = 10_000;

/** What of a batch its course depends on. */
export interface Course {
  createdMs: number;
  seed: number;
  cancelMs: number | undefined;
}

export interface Settlement {
  endedMs: number;
  /** Counts as they stand from then on. */
  counts: RequestCounts;
}

export type Ending = 'succeeded' | 'errored' | 'canceled' | 'expired';

/**
 * Follows a batch to its end. Every request starts and finishes at instants given by the seed and its
 * custom_id. A cancel stops what has not started; what is running finishes and counts. The end of the
 * 24 h window stops everything, so what is still running then counts as expired.
 */
export class Schedule {
  readonly #index: RequestIndex;
  readonly #course: Course;
  readonly #pace: Pace;
  readonly #cancelWork: number;
  readonly #windowWork: number;
  readonly #queue: number;

  constructor(index: RequestIndex, course: Course, pace: Pace) {
    const { createdMs, cancelMs, seed } = course;
    this.#index = index;
    this.#course = course;
    this.#pace = pace;
    this.#cancelWork = cancelMs === undefined ? Infinity : pace.workBetween(createdMs, cancelMs);
    this.#windowWork = pace.workBetween(createdMs, createdMs + WINDOW_MS);
    this.#queue = QUEUE_LEAST + new Random(seed, index.customIds[0] ?? '', 'queue').next() * QUEUE_SPREAD;
  }

  ending(request: number): Ending {
    return this.#run(request).ending;
  }

  settle(): Settlement {
    const counts: RequestCounts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
    let last = this.#cancelWork === Infinity ? 0 : this.#cancelWork + CANCELING_LEAST;
    for (let i = 0; i < this.#index.customIds.length; i++) {
      const { ending, finish } = this.#run(i);
      counts[ending] += 1;
      if (ending !== 'canceled') last = Math.max(last, finish);
    }
    const { createdMs } = this.#course;
    const endedMs = Math.min(
      createdMs + WINDOW_MS,
      this.#pace.instantAfter(createdMs, Math.min(last, this.#windowWork)),
    );
    return { endedMs, counts };
  }

  #run(request: number): { ending: Ending; finish: number } {
    const decided = this.#index.outcomes[request] as Exclude<Ending, 'canceled'>;
    const { start, finish } = this.#times(request, decided);
    if (start > this.#cancelWork) return { ending: 'canceled', finish };
    if (finish > this.#windowWork) return { ending: 'expired', finish };
    return { ending: decided, finish };
  }

  #times(request: number, decided: string): { start: number; finish: number } {
    // A request that is to expire never gets its turn.
    if (decided === 'expired') return { start: Infinity, finish: Infinity };
    const random = new Random(this.#course.seed, this.#index.customIds[request] ?? '', 'time');
    const start = this.#queue + random.next() * START_SPREAD;
    // Inverse square root: half take less than 1.4 × the least, one in a hundred the most.
    const takes = Math.min(TAKES_MOST, TAKES_LEAST / Math.sqrt(1 - random.next()));
    return { start, finish: start + takes };
  }
}
