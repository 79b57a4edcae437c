import type { JsonObject } from './wire.ts';

export const FAULT_ROUTES = [
  'create',
  'retrieve',
  'list',
  'cancel',
  'delete',
  'results',
  'count_tokens',
] as const;
export type FaultRoute = (typeof FAULT_ROUTES)[number];

interface StatusAnswer {
  status: number;
  headers?: Record<string, string>;
  /** A string is sent as it is, an object as JSON; without it, the API's usual error body. */
  body?: string | JsonObject;
}

export type FaultAction =
  /** Answers without doing anything. */
  | ({ kind: 'status' } & StatusAnswer)
  /** Resets the connection without doing anything. */
  | { kind: 'reset-before' }
  /** Does the work, waits that long, then answers as usual. */
  | { kind: 'delay'; ms: number }
  /** Does the work, then resets the connection instead of answering. */
  | { kind: 'reset-after' }
  /** Does the work, then answers with an error. */
  | ({ kind: 'status-after' } & StatusAnswer)
  /** Results only: closes the connection in the middle of the line after `afterLines` whole ones. */
  | { kind: 'reset-mid-line'; afterLines: number }
  /** Results only: closes the connection after `afterLines` whole lines. */
  | { kind: 'reset-at-boundary'; afterLines: number }
  /** Results only: ends the body properly after `afterLines` whole lines, as if that were all. */
  | { kind: 'clean-early-end'; afterLines: number };

const KINDS = [
  'status',
  'reset-before',
  'delay',
  'reset-after',
  'status-after',
  'reset-mid-line',
  'reset-at-boundary',
  'clean-early-end',
] as const satisfies FaultAction['kind'][];

export interface Fault {
  route: FaultRoute;
  /** Which call from now on is the first one hit, from 1. Default 1: the next one. */
  nth?: number;
  /** How many calls in a row are hit. Default 1. */
  times?: number;
  action: FaultAction;
}

export type StreamFault = Extract<FaultAction, { afterLines: number }>;

/** Whether the action concerns the lines of a results body. */
export function isStreamFault(action: FaultAction | undefined): action is StreamFault {
  return action !== undefined && 'afterLines' in action;
}

/** Faults waiting for their call. They live in memory: a restart forgets them. */
export class Faults {
  #armed: { fault: Fault; skip: number; left: number }[] = [];

  add(faults: Fault[]): void {
    for (const fault of faults) {
      this.#armed.push({ fault, skip: (fault.nth ?? 1) - 1, left: fault.times ?? 1 });
    }
  }

  clear(): void {
    this.#armed = [];
  }

  /** Counts one call of a route and names the fault that hits it. Of several due, the oldest acts and the others wait. */
  strike(route: FaultRoute): FaultAction | undefined {
    let action: FaultAction | undefined;
    for (const armed of this.#armed.filter((a) => a.fault.route === route)) {
      if (armed.skip > 0) {
        armed.skip -= 1;
      } else if (!action) {
        action = armed.fault.action;
        armed.left -= 1;
      }
    }
    this.#armed = this.#armed.filter((a) => a.left > 0);
    return action;
  }
}

/** Reads faults that came over HTTP; throws a TypeError that says what is wrong. */
export function readFaults(body: unknown): Fault[] {
  const list = (Array.isArray(body) ? body : [body]) as Fault[];
  for (const fault of list) {
    if (!FAULT_ROUTES.includes(fault?.route)) throw new TypeError(`route: one of ${FAULT_ROUTES.join(', ')}`);
    const action = fault.action;
    if (!KINDS.includes(action?.kind)) throw new TypeError(`action.kind: one of ${KINDS.join(', ')}`);
    if ('status' in action && !(action.status >= 200 && action.status <= 599)) {
      throw new TypeError('action.status: 200 to 599');
    }
    if (action.kind.startsWith('status') && !('status' in action))
      throw new TypeError('action.status: required');
  }
  return list;
}
