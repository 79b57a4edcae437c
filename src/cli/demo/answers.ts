import type { JobStatus } from './model.ts';

/** What the report needs of a job. Money is exact, as text; null when the price is not known. */
export interface JobResult {
  id: string;
  status: JobStatus;
  error: { code: string; message: string } | null;
  resultJson: { summary?: unknown } | null;
  usage: { inputTokens: number; cacheReadTokens: number; cacheWriteTokens: number; outputTokens: number };
  cost: { actualUsd: string | null; standardUsd: string | null; savedUsd: string | null };
}

/** The figures of the tenant that GraphQL gives. */
export interface GraphQLStats {
  totalJobs: number;
  pendingJobs: number;
  processingJobs: number;
  completedJobs: number;
  failedJobs: number;
  inputTokens: number;
  outputTokens: number;
  costUsd: string;
  savedUsd: string;
  simulated: boolean;
}

/** The figures of the tenant that REST gives. */
export interface RestStats {
  total_jobs_queued: number;
  pending_jobs: number;
  processing_jobs: number;
  completed_jobs: number;
  failed_jobs: number;
  total_tokens_used: number;
  total_cost_usd: number;
  total_savings_usd: number;
}
