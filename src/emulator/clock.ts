/** The emulator's time: the wall clock plus an offset that can be advanced. It never runs backwards. */
export class Clock {
  #offsetMs: number;
  #latest = 0;

  constructor(offsetMs: number) {
    this.#offsetMs = offsetMs;
  }

  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** Milliseconds since 1970. A wall clock that is set back is held until it catches up. */
  now(): number {
    this.#latest = Math.max(this.#latest, Date.now() + this.#offsetMs);
    return this.#latest;
  }

  advance(ms: number): void {
    this.#offsetMs += ms;
  }
}

interface Change {
  atMs: number;
  speed: number;
  /** Work done from the origin to `atMs`. */
  workBefore: number;
}

/**
 * How fast requests are worked on, over time. Durations of requests are given in work milliseconds,
 * which equal clock milliseconds at speed 1. The past keeps the speed it had, so a batch that has
 * ended stays ended when the speed changes.
 */
export class Pace {
  /** Never empty. */
  readonly #changes: Change[];

  /** Work is counted from `originMs`; instants before it count at the first speed. */
  constructor(speed: number, originMs: number) {
    this.#changes = [{ atMs: originMs, speed, workBefore: 0 }];
  }

  get speed(): number {
    return this.#last().speed;
  }

  change(atMs: number, speed: number): void {
    const last = this.#last();
    // A change to the same speed would only add rounding: results must not depend on restarts.
    if (speed === last.speed) return;
    const at = Math.max(atMs, last.atMs);
    this.#changes.push({ atMs: at, speed, workBefore: last.workBefore + (at - last.atMs) * last.speed });
  }

  /** Work done between two instants; instants in the future count at today's speed. */
  workBetween(fromMs: number, toMs: number): number {
    return this.#workAt(toMs) - this.#workAt(fromMs);
  }

  /** The first whole millisecond at which `work` has been done since `fromMs`. */
  instantAfter(fromMs: number, work: number): number {
    const target = this.#workAt(fromMs) + work;
    const change = this.#changes.findLast((c) => c.workBefore <= target) ?? this.#first();
    return Math.max(fromMs, Math.ceil(change.atMs + (target - change.workBefore) / change.speed));
  }

  #workAt(ms: number): number {
    const change = this.#changes.findLast((c) => c.atMs <= ms) ?? this.#first();
    return change.workBefore + (ms - change.atMs) * change.speed;
  }

  #first(): Change {
    return this.#changes[0] as Change;
  }

  #last(): Change {
    return this.#changes.at(-1) as Change;
  }
}

/**
 * RFC 3339 with microseconds, as the API writes it. The clock counts milliseconds; the last three
 * digits only tell the objects of one millisecond apart.
 */
export function timestamp(ms: number, micros = 0): string {
  const digits = String(micros % 1000).padStart(3, '0');
  return `${new Date(ms).toISOString().slice(0, -1)}${digits}Z`;
}
