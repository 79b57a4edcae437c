import type { Config } from '../../config.ts';
import type { Change } from './display.ts';
import { hasEnded, type Model, type Step } from './model.ts';
import { shortId } from './text.ts';

/** What the demo needs from around it. */
export interface Stage {
  config: Config;
  model: Model;
  show: (change: Change) => void;
  /** Ends everything that is waited for; its reason is thrown. */
  signal: AbortSignal;
  /** What to stop at the end, last started first. */
  running: AsyncDisposableStack;
}

/** Shows a part of the demo while it runs; `done` says how it ended. */
export async function step<T>(
  { model, show }: Stage,
  name: string,
  text: string,
  run: (done: (text: string) => void) => Promise<T>,
): Promise<T> {
  const line: Step = { name, text, beganAt: Date.now() };
  model.steps.push(line);
  return run((outcome) => {
    line.text = outcome;
    line.endedAt = Date.now();
    show({ step: line });
  });
}

/** Waits, but not beyond the end of the demo. Requests are not given up: each is short, and some change something. */
export async function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What had not ended when the time was over, for the message. */
export function unfinished({ jobs, batches }: Model): string {
  const open = jobs.filter((job) => !hasEnded(job));
  const lines = open.map(({ id, type, status }) => `${shortId(id)} (${type}) is ${status.toLowerCase()}`);
  const sent = batches.map(({ id, providerBatchId, status }) => `${providerBatchId ?? id} is ${status}`);
  return [...lines, ...sent].join('; ') || 'nothing was enqueued yet';
}
