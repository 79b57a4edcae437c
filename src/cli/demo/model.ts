/** Where a job stands, as GraphQL writes it. */
export type JobStatus = 'PENDING' | 'PROCESSING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

/** The face that a job came in through. */
export type Face = 'GraphQL' | 'REST';

/** One job of this run. Times are of this process's clock, in milliseconds. */
export interface JobLine {
  readonly id: string;
  /** As in REST: `risk_report`. */
  readonly type: string;
  readonly face: Face;
  status: JobStatus;
  readonly enqueuedAt: number;
  processingAt?: number | undefined;
  endedAt?: number | undefined;
}

/** One batch that a job of this run is in. */
export interface BatchLine {
  readonly id: string;
  /** The provider's id of it, once it has accepted it. */
  providerBatchId?: string | undefined;
  /** As GraphQL writes it: `IN_PROGRESS`. */
  status: string;
  requests: number;
  readonly sealedAt: number;
  endedAt?: number | undefined;
}

/** One part of the demo, with how long it took. */
export interface Step {
  readonly name: string;
  text: string;
  readonly beganAt: number;
  endedAt?: number | undefined;
}

/** Everything that the display shows. */
export interface Model {
  readonly simulated: boolean;
  readonly steps: Step[];
  readonly jobs: JobLine[];
  readonly batches: BatchLine[];
}

/** A batch as the API tells it. */
export interface BatchState {
  id: string;
  providerBatchId: string | null;
  status: string;
  counts: { requests: number };
}

/** Batches in these states change no more. */
export const settled: readonly string[] = ['INGESTED', 'REJECTED'];
const atProvider: readonly string[] = ['SEALED', 'SUBMITTING', 'UNKNOWN', 'IN_PROGRESS', 'CANCELING'];

/** Whether a job has reached its end, good or bad. */
export function hasEnded(job: JobLine): boolean {
  return job.endedAt !== undefined;
}

/** Takes a new status of a job; false when it is none, as in the snapshot that opens a subscription. */
export function moveJob(job: JobLine, status: JobStatus, now: number): boolean {
  if (job.status === status) return false;
  job.status = status;
  if (status === 'PENDING') {
    job.processingAt = undefined;
    job.endedAt = undefined;
  } else {
    job.processingAt ??= now;
    if (status !== 'PROCESSING') job.endedAt = now;
  }
  return true;
}

/** Takes the state of a batch; the line when anything about it is new, else undefined. */
export function moveBatch(model: Model, state: BatchState, now: number): BatchLine | undefined {
  let line = model.batches.find((batch) => batch.id === state.id);
  const providerBatchId = state.providerBatchId ?? undefined;
  if (line?.status === state.status && line.providerBatchId === providerBatchId) return undefined;
  if (line && settled.includes(line.status)) return undefined; // an answer that was overtaken
  if (!line) {
    line = { id: state.id, status: state.status, requests: state.counts.requests, sealedAt: now };
    model.batches.push(line);
  }
  line.status = state.status;
  line.providerBatchId = providerBatchId ?? line.providerBatchId;
  if (!atProvider.includes(state.status)) line.endedAt ??= now;
  return line;
}
