import { createHash } from 'node:crypto';
import type { Context } from './context.ts';
import { requestName, publicId } from './ids.ts';
import { buildParams, jobTypes, serializeRequest, type JobTypeName } from './job-types/index.ts';
import { ProviderError, type ProviderBatch } from './ports.ts';
import { moveBatch, moveJobs } from './states.ts';
import { now, sql, sqlState, timestamp, transaction, type Transaction } from './sql.ts';

/** What became of one attempt to submit a batch. */
export type Submission =
  | { outcome: 'submitted'; providerBatchId: string }
  /** Another POST of this identity is under way, or one of the same size is unsettled: try again later. */
  | { outcome: 'busy' }
  /** The provider certainly did not take it; its jobs are pending again. */
  | { outcome: 'rejected'; message: string }
  /** It may have been taken; recovery finds out. Nothing is sent again before. */
  | { outcome: 'unknown'; message: string }
  /** Not sealed any more (somebody else submitted it, or every job in it was cancelled), or for another account. */
  | { outcome: 'gone' };

interface Request {
  jobId: string;
  submission: number;
  typeVersion: number;
  model: string;
  maxTokens: number;
}

interface Body {
  bytes: Buffer;
  hash: Buffer;
  requests: Request[];
}

/** The sealed batches that wait for their POST to this process's provider account, oldest first. */
export async function sealedBatches(context: Context): Promise<string[]> {
  const rows = await context.db.batch.findMany({
    where: { status: 'sealed', providerIdentity: await context.provider.identity() },
    orderBy: { createdAt: 'asc' },
    select: { id: true },
    take: 200,
  });
  return rows.map(({ id }) => id);
}

/**
 * Submits one sealed batch: the intent is committed first, then there is exactly one POST, outside any transaction,
 * then its outcome is stored. A crash anywhere leaves an intent that recovery settles.
 */
export async function submitBatch(context: Context, batchId: string): Promise<Submission> {
  const identity = await context.provider.identity();
  const obstacle = await obstacleTo(context, batchId, identity);
  if (obstacle) return { outcome: obstacle };
  const body = await buildBody(context, batchId);
  const intent = await writeIntent(context, batchId, body);
  if (intent !== 'written') return { outcome: intent };
  try {
    const created = await context.provider.create(body.bytes);
    await acceptAnswer(context, batchId, created);
    return { outcome: 'submitted', providerBatchId: created.id };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return error.effect === 'refused' ? refuse(context, batchId, error) : doubt(context, batchId, error);
  }
}

/** What will keep a batch from its POST, looked up before its body is built in vain; `writeIntent` decides. */
async function obstacleTo(
  context: Context,
  batchId: string,
  identity: string,
): Promise<'busy' | 'gone' | undefined> {
  const [batch] = await context.db.$queryRaw<{ busy: boolean }[]>(sql`
    SELECT EXISTS (
             SELECT FROM batch AS other WHERE other.provider_identity = ${identity}
                AND (other.status = 'submitting'
                     OR other.status = 'unknown' AND other.request_count = batch.request_count)) AS busy
      FROM batch
     WHERE id = ${batchId}::uuid AND status = 'sealed' AND provider_identity = ${identity}`);
  if (!batch) return 'gone';
  return batch.busy ? 'busy' : undefined;
}

/** The exact body: one Buffer, so that its length is known, and no object tree of the whole batch ever exists. */
async function buildBody(context: Context, batchId: string): Promise<Body> {
  const parts: Buffer[] = [Buffer.from('{"requests":[')];
  const requests: Request[] = [];
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const rows = await context.db.$queryRaw<
      { id: string; type: JobTypeName; submission: number; payload: string }[]
    >(sql`
      SELECT id, type, submission, payload FROM job JOIN job_payload ON job_id = id
       WHERE batch_id = ${batchId}::uuid AND status = 'processing' AND id > ${after}::uuid ORDER BY id LIMIT 500`);
    for (const { id, type, submission, payload } of rows) {
      const params = buildParams(jobTypes[type], payload);
      parts.push(
        Buffer.from(`${requests.length ? ',' : ''}${serializeRequest(requestName(id, submission), params)}`),
      );
      const { model, max_tokens: maxTokens } = params;
      requests.push({ jobId: id, submission, typeVersion: jobTypes[type].version, model, maxTokens });
    }
    const last = rows.at(-1);
    if (!last) break;
    after = last.id;
  }
  parts.push(Buffer.from(']}'));
  const bytes = Buffer.concat(parts);
  return { bytes, hash: createHash('sha256').update(bytes).digest(), requests };
}

/**
 * Commits what is about to be sent, under whose account. From here on the batch counts as possibly paid for. The two
 * unique indexes on unsettled batches are the fence: they let one POST through at a time per identity, in all processes.
 */
async function writeIntent(
  context: Context,
  batchId: string,
  body: Body,
): Promise<'written' | 'busy' | 'gone'> {
  try {
    return await transaction(context.db, async (tx) => {
      const at = now(context.clock);
      if (body.requests.length === 0) {
        await moveBatch(
          tx,
          batchId,
          'sealed',
          'rejected',
          sql`, error_code = 'EMPTY', request_count = 0,
          error_message = 'Every job in it was cancelled before it was submitted.'`,
        );
        return 'gone';
      }
      const owned = await moveBatch(
        tx,
        batchId,
        'sealed',
        'submitting',
        sql`, body_hash = ${body.hash}, intent_at = ${at}, request_count = ${body.requests.length},
        bytes = ${body.bytes.length}`,
      );
      if (!owned) return 'gone';
      // Two minutes beyond the POST's own limit: whoever finds the lease run out may be sure that the POST is over.
      await tx.$executeRaw`UPDATE batch SET lease_owner = ${context.owner}::uuid, lease_until = now() +
        make_interval(secs => ${context.policy.submitTimeout / 1000 + 120}::float8) WHERE id = ${batchId}::uuid`;
      await writeRequests(tx, batchId, body.requests);
      return 'written';
    });
  } catch (error) {
    if (sqlState(error) === UNIQUE_VIOLATION || error === changed) return 'busy';
    throw error;
  }
}

const UNIQUE_VIOLATION = '23505';
/** A job left the batch while its body was built; the next attempt builds it anew. */
const changed = new Error('the jobs of the batch have changed');

async function writeRequests(tx: Transaction, batchId: string, requests: readonly Request[]): Promise<void> {
  const written = await tx.$executeRaw`
    INSERT INTO batch_request (batch_id, job_id, submission, type_version, model, max_tokens)
    SELECT ${batchId}::uuid, job.id, job.submission, r."typeVersion", r.model, r."maxTokens"
      FROM jsonb_to_recordset(${JSON.stringify(requests)}::jsonb)
           AS r ("jobId" uuid, submission smallint, "typeVersion" int, model text, "maxTokens" int)
      JOIN job ON job.id = r."jobId" AND job.submission = r.submission
     WHERE job.batch_id = ${batchId}::uuid AND job.status = 'processing'`;
  if (written !== requests.length) throw changed;
}

/** Stores the answer to the POST; recovery may have taken the batch for abandoned while it was on its way. */
async function acceptAnswer(context: Context, batchId: string, created: ProviderBatch): Promise<void> {
  if (await accept(context, batchId, 'submitting', created)) return;
  if (await accept(context, batchId, 'unknown', created)) return;
  context.log.error(
    { batch: publicId('batch', batchId), providerBatchId: created.id },
    'the provider took a batch that was settled otherwise meanwhile',
  );
}

/** Stores that the provider has the batch, after the POST or after recovery has found it. */
export async function accept(
  context: Context,
  batchId: string,
  from: 'submitting' | 'unknown',
  created: ProviderBatch,
): Promise<boolean> {
  const at = now(context.clock);
  const accepted = await transaction(context.db, (tx) =>
    moveBatch(
      tx,
      batchId,
      from,
      'in_progress',
      sql`, provider_batch_id = ${created.id}, submitted_at = ${at},
      expires_at = ${timestamp(created.expiresAt)}, error_code = NULL, error_message = NULL, poll_failures = 0,
      next_poll_at = ${at} + make_interval(secs => ${context.policy.pollInterval / 1000}::float8)`,
    ),
  );
  if (accepted) {
    context.log.info(
      { batch: publicId('batch', batchId), providerBatchId: created.id },
      'batch accepted by the provider',
    );
  }
  return accepted;
}

/** The provider said no: nothing was accepted, and the jobs wait for another flush. */
async function refuse(context: Context, batchId: string, error: ProviderError): Promise<Submission> {
  const code = error.type ?? (error.status === undefined ? 'NOT_SENT' : `HTTP_${error.status}`);
  await reject(context, batchId, 'submitting', code, error.message);
  context.log.error(
    { batch: publicId('batch', batchId), status: error.status, type: error.type },
    'batch refused by the provider',
  );
  return { outcome: 'rejected', message: error.message };
}

/** Ends a batch that certainly does not exist at the provider, and makes its jobs pending again. */
export async function reject(
  context: Context,
  batchId: string,
  from: 'submitting' | 'unknown',
  code: string,
  message: string,
): Promise<void> {
  await transaction(context.db, async (tx) => {
    const rejected = await moveBatch(
      tx,
      batchId,
      from,
      'rejected',
      sql`, error_code = ${code}, error_message = ${message}`,
    );
    if (!rejected) return;
    const at = now(context.clock);
    await tx.$executeRaw(
      sql`WITH ${moveJobs(['released'], {
        at,
        // The policy's pause, so that a provider which refuses everything is not asked again at once.
        set: sql`, due_at = ${at} + make_interval(secs => ${context.policy.retryDelay / 1000}::float8)`,
        where: sql`job.batch_id = ${batchId}::uuid`,
        detail: sql`${code}::text`,
      })} SELECT 1`,
    );
  });
  context.hub.nudge();
}

async function doubt(context: Context, batchId: string, error: ProviderError): Promise<Submission> {
  await transaction(context.db, (tx) =>
    moveBatch(
      tx,
      batchId,
      'submitting',
      'unknown',
      sql`, error_code = 'SUBMIT_UNKNOWN', error_message = ${error.message},
      next_poll_at = ${now(context.clock)}`,
    ),
  );
  context.log.error(
    { batch: publicId('batch', batchId), status: error.status, message: error.message },
    'outcome of a submit is not known',
  );
  return { outcome: 'unknown', message: error.message };
}
