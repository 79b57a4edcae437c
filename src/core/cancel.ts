import { requireScope, type Actor, type Context } from './context.ts';
import { AlreadyFinishedError, NotFoundError } from './errors.ts';
import { moveJobs } from './states.ts';
import { now, sql } from './sql.ts';

/**
 * Calls a job off. A pending job never goes out; one in a batch is detached: its result will be dropped, what it cost
 * is still booked, and the batch is cancelled at the provider once no live job is left in it. Throws NotFoundError,
 * or AlreadyFinishedError when the job has ended (or was cancelled) before; nothing changes then. Needs `jobs:write`.
 */
export async function cancelJob(context: Context, actor: Actor, jobId: string): Promise<void> {
  requireScope(actor, 'jobs:write');
  const at = now(context.clock);
  const [cancelled] = await context.db.$queryRaw<{ batch_id: string | null }[]>(sql`
    WITH ${moveJobs(['cancelled'], { at, where: sql`job.id = ${jobId}::uuid AND job.tenant_id = ${actor.tenantId}::uuid` })},
    ended AS (
      INSERT INTO job_outcome (job_id, tenant_id, status, completed_at)
      SELECT id, tenant_id, status, ${at} FROM moved
    )
    SELECT batch_id FROM moved`);
  if (!cancelled) throw await whyNot(context, actor, jobId);
  context.hub.nudge();
  // The next look at the batch finds out whether a live job is left in it, and calls it off if not.
  if (cancelled.batch_id) {
    await context.db.$executeRaw`UPDATE batch SET next_poll_at = ${at}
       WHERE id = ${cancelled.batch_id}::uuid AND status = 'in_progress'`;
  }
}

async function whyNot(context: Context, actor: Actor, jobId: string): Promise<Error> {
  const job = await context.db.job.findFirst({
    where: { id: jobId, tenantId: actor.tenantId },
    select: { status: true },
  });
  return job ? new AlreadyFinishedError(job.status) : new NotFoundError('Job');
}
