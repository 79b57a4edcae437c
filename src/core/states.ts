import type { BatchStatus, JobMove, JobStatus } from '../generated/prisma/enums.ts';
import { join, nothing, sql, type Sql, type Transaction } from './sql.ts';

export type { BatchStatus, JobMove, JobStatus };

/**
 * Every legal move of a job: from where, to where. `pending` waits for a flush; `processing` is in a batch, sealed or
 * at the provider; `completed` has a result; `failed` has an error code; `cancelled` was called off by its owner.
 */
export const jobMoves = {
  claimed: { from: ['pending'], to: 'processing' },
  released: { from: ['processing'], to: 'pending' },
  completed: { from: ['processing'], to: 'completed' },
  failed: { from: ['processing'], to: 'failed' },
  cancelled: { from: ['pending', 'processing'], to: 'cancelled' },
  retried: { from: ['failed', 'cancelled'], to: 'pending' },
} as const satisfies Record<Exclude<JobMove, 'enqueued'>, { from: readonly JobStatus[]; to: JobStatus }>;

export type Move = keyof typeof jobMoves;

interface MoveParts {
  /** The time of the move. */
  at: Sql;
  /** Which of `moves` a row takes, as SQL of type text; needed when there are several. */
  move?: Sql;
  /** The FROM clause of the update, with whatever the other parts refer to. */
  from?: Sql;
  /** Which jobs, beside the guard on their status. */
  where: Sql;
  /** The batch that claimed jobs go into; a job that goes back to pending is in none, any other stays where it is. */
  batchId?: string;
  /** Further assignments of the update. */
  set?: Sql;
  /** The note of the log row, as SQL of type text. */
  detail?: Sql;
}

/**
 * The common table expressions `moved` and `logged`: one guarded update of jobs, which raises their version, and one
 * row in the log for each job moved. Being one statement, neither can happen without the other.
 */
export function moveJobs(moves: readonly [Move, ...Move[]], parts: MoveParts): Sql {
  const move = parts.move ?? sql`${moves[0]}::text`;
  const legal = moves.flatMap((name) =>
    jobMoves[name].from.map((from) => sql`(${name}, ${from}::job_status)`),
  );
  const to = moves.map((name) => sql`WHEN ${name} THEN ${jobMoves[name].to}::job_status`);
  const target = sql`CASE ${move} ${join(to, ' ')} END`;
  return sql`
    moved AS (
      UPDATE job SET status = ${target}, claimable = (${target} = 'pending'),
             batch_id = CASE WHEN ${target} = 'pending' THEN NULL ELSE ${parts.batchId ? sql`${parts.batchId}::uuid` : sql`job.batch_id`} END,
             version = job.version + 1, updated_at = ${parts.at} ${parts.set ?? nothing}
        ${parts.from ?? nothing}
       WHERE (${move}, job.status) IN (${join(legal)}) AND ${parts.where}
      RETURNING job.id, job.tenant_id, job.version, job.status, job.batch_id,
                (${move})::job_move AS move, ${parts.detail ?? sql`NULL::text`} AS detail
    ), logged AS (
      INSERT INTO job_event (epoch, job_id, tenant_id, version, status, move, batch_id, detail, at)
      SELECT (SELECT epoch FROM log_state), id, tenant_id, version, status, move, batch_id, detail, ${parts.at} FROM moved
    )`;
}

/**
 * Every legal move of a batch. `sealed`: its jobs are fixed; `submitting`: the intent is written and the one POST may
 * be under way; `unknown`: whether that POST took effect is not known; `in_progress`, `canceling`, `ended`: as the
 * provider says; `ingested`: every result is booked; `rejected`: nothing was accepted, its jobs are pending again.
 */
export const batchMoves = {
  sealed: ['submitting', 'rejected'],
  submitting: ['in_progress', 'unknown', 'rejected'],
  unknown: ['in_progress', 'rejected'],
  in_progress: ['canceling', 'ended'],
  canceling: ['ended'],
  ended: ['ingested'],
  ingested: [],
  rejected: [],
} as const satisfies Record<BatchStatus, readonly BatchStatus[]>;

/**
 * Moves one batch and frees its lease; false when it was not in `from` any more, and then nothing has happened. A
 * move that is not in the table does not compile.
 */
export async function moveBatch<From extends BatchStatus>(
  tx: Transaction,
  id: string,
  from: From,
  to: (typeof batchMoves)[From][number],
  set: Sql = nothing,
): Promise<boolean> {
  const moved = await tx.$executeRaw`
    UPDATE batch SET status = ${to}::batch_status, lease_owner = NULL, lease_until = NULL ${set}
     WHERE id = ${id}::uuid AND status = ${from}::batch_status`;
  return moved === 1;
}
