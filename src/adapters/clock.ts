import type { Clock } from '../core/index.ts';

/** The clock of production: never stopped, so every statement takes the database's time. */
export const systemClock: Clock = { pinned: () => undefined };

/** A clock that stands still until it is set or moved on. */
export class StoppedClock implements Clock {
  #time: Date;
  constructor(time: Date) {
    this.#time = time;
  }
  pinned(): Date {
    return this.#time;
  }
  /** Moves on by so many milliseconds. */
  advance(milliseconds: number): void {
    this.#time = new Date(this.#time.getTime() + milliseconds);
  }
}
