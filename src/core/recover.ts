import type { Context } from './context.ts';
import { parseRequestName, publicId } from './ids.ts';
import type { ProviderBatch } from './ports.ts';
import { moveBatch } from './states.ts';
import { now, sql, transaction } from './sql.ts';
import { accept, reject } from './submit.ts';

/** How far the provider's clock may differ from the database's. */
const SKEW = 5 * 60 * 1000;

interface Unsettled {
  id: string;
  request_count: number;
  intent_at: Date;
  absent: boolean;
}

/**
 * Settles the batches whose POST has an unknown outcome: adopts those that the provider has, and gives up those that
 * it certainly has not. Until one of both is certain nothing is sent again: a second POST would be paid twice.
 */
export async function settleUnknown(context: Context): Promise<void> {
  await doubtAbandoned(context);
  const identity = await context.provider.identity();
  const at = now(context.clock);
  const unsettled = await context.db.$queryRaw<Unsettled[]>(sql`
    SELECT id, request_count, intent_at,
           intent_at < ${at} - make_interval(secs => ${context.policy.absentAfter / 1000}::float8) AS absent
      FROM batch WHERE status = 'unknown' AND provider_identity = ${identity} AND next_poll_at <= ${at}`);
  for (const batch of unsettled) await settle(context, identity, batch);
}

/** A submitter that died, or lost its database, leaves its batch behind; its lease outlives the POST. */
async function doubtAbandoned(context: Context): Promise<void> {
  const abandoned = await context.db.$queryRaw<{ id: string }[]>(sql`
    SELECT id FROM batch WHERE status = 'submitting' AND lease_until < now()`);
  for (const { id } of abandoned) {
    await transaction(context.db, (tx) =>
      moveBatch(
        tx,
        id,
        'submitting',
        'unknown',
        sql`, next_poll_at = ${now(context.clock)}, error_code = 'SUBMIT_UNKNOWN',
        error_message = 'The process that submitted it ended before it learned the outcome.'`,
      ),
    );
    context.log.error({ batch: publicId('batch', id) }, 'a submit was abandoned; its outcome is not known');
  }
}

async function settle(context: Context, identity: string, batch: Unsettled): Promise<void> {
  const candidates = await findCandidates(context, identity, batch);
  const proven = await proveOurs(context, batch, candidates);
  if (proven) {
    await accept(context, batch.id, 'unknown', proven);
    return;
  }
  // Candidates that have not ended cannot be read yet; only without any is absence certain.
  if (candidates.length === 0 && batch.absent) {
    await reject(
      context,
      batch.id,
      'unknown',
      'NOT_RECEIVED',
      'The provider does not have it; its jobs wait for another batch.',
    );
    return;
  }
  await context.db.$executeRaw`UPDATE batch SET next_poll_at = ${now(context.clock)} +
    make_interval(secs => ${context.policy.pollInterval / 1000}::float8) WHERE id = ${batch.id}::uuid AND status = 'unknown'`;
}

/** The provider's batches that may be this one: of its size, made since the intent, and not known as another. */
async function findCandidates(
  context: Context,
  identity: string,
  batch: Unsettled,
): Promise<ProviderBatch[]> {
  const since = batch.intent_at.getTime() - SKEW;
  const found: ProviderBatch[] = [];
  for await (const listed of context.provider.list()) {
    if (listed.createdAt.getTime() < since) break;
    const { processing, succeeded, errored, canceled, expired } = listed.counts;
    if (processing + succeeded + errored + canceled + expired === batch.request_count) found.push(listed);
  }
  const known = await context.db.batch.findMany({
    where: { providerIdentity: identity, providerBatchId: { in: found.map(({ id }) => id) } },
    select: { providerBatchId: true },
  });
  return found.filter(({ id }) => !known.some(({ providerBatchId }) => providerBatchId === id));
}

/**
 * Which candidate is ours. A provider batch carries no name; only the custom_ids in its results prove it, and they
 * can be read when it has ended. In a workspace that nobody else uses, a single candidate is proof enough.
 */
async function proveOurs(
  context: Context,
  batch: Unsettled,
  candidates: readonly ProviderBatch[],
): Promise<ProviderBatch | undefined> {
  if (context.policy.dedicatedWorkspace && candidates.length === 1) return candidates[0];
  for (const candidate of candidates) {
    if (candidate.status === 'ended' && (await isOurs(context, batch.id, candidate.id))) return candidate;
  }
  return undefined;
}

async function isOurs(context: Context, batchId: string, providerBatchId: string): Promise<boolean> {
  for await (const line of context.provider.results(providerBatchId)) {
    const name = parseRequestName((JSON.parse(line) as { custom_id: string }).custom_id);
    if (!name) return false;
    const request = await context.db.batchRequest.findFirst({
      where: { batchId, ...name },
      select: { jobId: true },
    });
    return request !== null;
  }
  return false;
}
