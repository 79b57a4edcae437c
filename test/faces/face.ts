/** What every face can do, in words that belong to neither. Names of types and states are those of core. */
export interface Face {
  enqueue(by: Caller, job: NewJob): Promise<Enqueued | Refused>;
  list(by: Caller, which?: Which): Promise<Page | Refused>;
  get(by: Caller, id: string): Promise<Job | Refused>;
  cancel(by: Caller, id: string): Promise<{ cancelled: true } | Refused>;
  result(by: Caller, id: string): Promise<{ result: unknown } | Refused>;
  stats(by: Caller): Promise<Stats | Refused>;
  flush(by: Caller, which?: FlushChoice): Promise<Flushed | Refused>;
  poll(by: Caller, batchId: string): Promise<Polled | Refused>;
}

/** A bearer token; null for none. */
export type Caller = string | null;

export type JobType =
  | 'portfolio_summary'
  | 'risk_report'
  | 'strategy_backtest'
  | 'sentiment_analysis'
  | 'model_evaluation'
  | 'trading_analytics';
export type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';

/** What was not done, and why. */
export interface Refused {
  /** `NO_KEY`, the code of an error in core, or the code of the error that the job ended with. */
  refused: string;
  /** The job that has the custom id already. */
  existing?: string;
}

export interface NewJob {
  type: JobType;
  payload: object;
  priority?: number;
  customId?: string;
  runAfter?: string;
}

export interface Job {
  id: string;
  type: JobType;
  status: JobStatus;
  priority: number;
  customId: string | null;
  /** The provider's id of its batch. */
  batch: string | null;
  createdAt: Date;
  updatedAt: Date;
  runAfter: Date | null;
  completedAt: Date | null;
  tokens: number;
  error: string | null;
}

export interface Enqueued {
  job: Job;
  replayed: boolean;
  estimatedCompletion: Date;
}

export interface Which {
  status?: JobStatus;
  type?: JobType;
  limit?: number;
  /** Where the page before ended. */
  after?: string;
}

export interface Page {
  jobs: Job[];
  total: number;
  pending: number;
  processing: number;
  /** Where the next page begins; null on the last one. */
  next: string | null;
}

export interface Stats {
  total: number;
  pending: number;
  processing: number;
  completed: number;
  failed: number;
  tokens: number;
  /** US dollars, to six places. */
  cost: number;
  saved: number;
  meanHours: number;
}

export interface FlushChoice {
  maxJobs?: number;
  types?: JobType[];
  minPriority?: number;
}

export interface Flushed {
  accepted: boolean;
  /** The provider's id of the batch; null when none was sent. */
  batch: string | null;
  jobs: number;
  estimatedTokens: number;
}

export interface Polled {
  batch: string;
  state: 'in_progress' | 'canceling' | 'ended';
  results: BatchResult[];
  remaining: number;
}

export interface BatchResult {
  job: string;
  type: JobType;
  outcome: 'succeeded' | 'errored' | 'canceled' | 'expired';
  result: unknown;
  error: string | null;
  tokens: number;
  /** In milliseconds. */
  duration: number;
}
