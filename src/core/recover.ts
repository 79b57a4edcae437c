import type { Context } from './context.ts';
import { parseRequestName, publicId } from './ids.ts';
import { ProviderError, type ProviderBatch } from './ports.ts';
import { moveBatch } from './states.ts';
import { now, sql, transaction } from './sql.ts';
import { accept, reject } from './submit.ts';

/** How far the provider's clock may differ from the database's. */
const SKEW = 5 * 60 * 1000;
/**
 * A batch made so long after the intent is not the one its POST made. Far more than a POST takes, in case a clock is
 * wrong; without any end, a stranger who keeps making batches of the same size would keep ours unsettled for ever.
 */
const LATEST = 24 * 60 * 60 * 1000;

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
  for (const batch of unsettled) {
    try {
      await settle(context, identity, batch);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      context.log.warn(
        { batch: publicId('batch', batch.id), status: error.status, message: error.message },
        'a batch of unknown outcome could not be looked for',
      );
    }
  }
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
  await putOff(context, batch.id);
  const candidates = await findCandidates(context, identity, batch);
  const unread: ProviderBatch[] = [];
  for (const candidate of candidates) {
    const whose = await whoseIs(context, batch.id, candidate);
    if (whose === 'ours') return void (await accept(context, batch.id, 'unknown', candidate));
    if (whose === 'unread') unread.push(candidate);
  }
  // In a workspace that nobody else uses, the only one left is ours.
  const [only, ...others] = unread;
  if (only && others.length === 0 && context.policy.dedicatedWorkspace) {
    await accept(context, batch.id, 'unknown', only);
  } else if (!only && batch.absent) {
    await reject(
      context,
      batch.id,
      'unknown',
      'NOT_RECEIVED',
      'The provider does not have it; its jobs wait for another batch.',
    );
  }
}

/** The next look is set before this one, which may fail: a batch that cannot be settled comes last the next time. */
async function putOff(context: Context, batchId: string): Promise<void> {
  await context.db.$executeRaw`UPDATE batch SET next_poll_at = ${now(context.clock)} +
    make_interval(secs => ${context.policy.pollInterval / 1000}::float8) WHERE id = ${batchId}::uuid AND status = 'unknown'`;
}

/** The provider's batches that may be this one: of its size, made about the time of the intent, and not known as another. */
async function findCandidates(
  context: Context,
  identity: string,
  batch: Unsettled,
): Promise<ProviderBatch[]> {
  const since = batch.intent_at.getTime() - SKEW;
  const found: ProviderBatch[] = [];
  for await (const listed of context.provider.list()) {
    const createdAt = listed.createdAt.getTime();
    if (createdAt < since) break;
    const { processing, succeeded, errored, canceled, expired } = listed.counts;
    const size = processing + succeeded + errored + canceled + expired;
    if (size === batch.request_count && createdAt < since + LATEST) found.push(listed);
  }
  const known = await context.db.batch.findMany({
    where: { providerIdentity: identity, providerBatchId: { in: found.map(({ id }) => id) } },
    select: { providerBatchId: true },
  });
  return found.filter(({ id }) => !known.some(({ providerBatchId }) => providerBatchId === id));
}

/**
 * Whose a candidate is. A provider batch carries no name; only the custom_ids in its results tell, and they can be
 * read when it has ended. One line is enough, since a batch is made in one piece.
 */
async function whoseIs(
  context: Context,
  batchId: string,
  candidate: ProviderBatch,
): Promise<'ours' | 'foreign' | 'unread'> {
  if (candidate.status !== 'ended') return 'unread';
  for await (const line of context.provider.results(candidate.id)) {
    const customId = readName(line);
    if (customId === undefined) continue;
    const name = parseRequestName(customId);
    if (!name) return 'foreign';
    const request = await context.db.batchRequest.findFirst({
      where: { batchId, ...name },
      select: { jobId: true },
    });
    return request ? 'ours' : 'foreign';
  }
  return 'unread';
}

/** The custom_id of a line; undefined for a blank one, and for half of one at the end of a stream cut short. */
function readName(line: string): string | undefined {
  try {
    const { custom_id: name } = JSON.parse(line) as { custom_id?: unknown };
    return typeof name === 'string' ? name : undefined;
  } catch {
    return undefined;
  }
}
