import type { Context } from './context.ts';
import type { JobErrorCode } from './errors.ts';
import { parseRequestName, publicId } from './ids.ts';
import { judge, noUsage, readAnswer, storable, type Answer } from './outcome.ts';
import { costOf, readPrices, type Prices } from './pricing.ts';
import { ProviderError } from './ports.ts';
import { moveBatch, moveJobs, type Move } from './states.ts';
import { now, sql, transaction, type Sql, type Transaction } from './sql.ts';

interface EndedBatch {
  id: string;
  tenant_id: string;
  provider_identity: string;
  provider_batch_id: string;
  expected: number;
}

/** A job as a line of the results meets it: what was asked in this batch, and how often it was tried. */
interface Asked {
  job_id: string;
  submission: number;
  type: string;
  attempt: number;
  max_attempts: number;
  expiries: number;
}

/** An expired request goes back into the queue so often. */
const MAX_EXPIRIES = 3;

/** Ended batches whose results are still to be read, oldest look first. */
export async function endedBatches(context: Context): Promise<string[]> {
  const rows = await context.db.$queryRaw<{ id: string }[]>(sql`
    SELECT id FROM batch WHERE status = 'ended' AND next_poll_at <= ${now(context.clock)}
       AND provider_identity = ${await context.provider.identity()}
       AND (lease_until IS NULL OR lease_until < now()) ORDER BY next_poll_at LIMIT 20`);
  return rows.map(({ id }) => id);
}

/**
 * Books every result of an ended batch: a ledger row for each line, an end or another try for each job, both in the
 * same statement. May be cut off anywhere and run again from the start; what is booked already is skipped. The
 * batch counts as ingested only when the ledger holds as many rows as the provider counts: a stream that ends early,
 * which the HTTP layer does not notice, is read again.
 */
export async function ingestBatch(
  context: Context,
  batchId: string,
): Promise<'ingested' | 'incomplete' | 'busy'> {
  const batch = await lease(context, batchId);
  if (!batch) return 'busy';
  try {
    const prices = await readPrices(context);
    for await (const lines of chunks(
      context.provider.results(batch.provider_batch_id),
      context.policy.ingestRows,
    )) {
      await book(context, batch, prices, answersOf(context, batch, lines));
    }
    return await finish(context, batch);
  } catch (error) {
    await postpone(context, batch.id);
    if (!(error instanceof ProviderError)) throw error;
    context.log.warn(
      { batch: publicId('batch', batchId), status: error.status, message: error.message },
      'the results could not be read to the end',
    );
    return 'incomplete';
  }
}

/** The lease only saves work: two processes that book the same lines book each line once. */
async function lease(context: Context, batchId: string): Promise<EndedBatch | undefined> {
  const [batch] = await context.db.$queryRaw<EndedBatch[]>(sql`
    UPDATE batch SET lease_owner = ${context.owner}::uuid, lease_until = ${leaseEnd(context)}
     WHERE id = ${batchId}::uuid AND status = 'ended' AND (lease_until IS NULL OR lease_until < now())
       AND provider_identity = ${await context.provider.identity()}
    RETURNING id, tenant_id, provider_identity, provider_batch_id,
              greatest(request_count, succeeded + errored + canceled + expired) AS expected`);
  return batch;
}

function leaseEnd(context: Context) {
  return sql`now() + make_interval(secs => ${context.policy.lease / 1000}::float8)`;
}

/** The most characters that one statement takes: a jsonb parameter ends at 256 MB, and one answer may have several. */
const CHUNK_LENGTH = 8_000_000;

async function* chunks(lines: AsyncIterable<string>, size: number): AsyncGenerator<string[]> {
  let chunk: string[] = [];
  let length = 0;
  for await (const line of lines) {
    if (line.trim() === '') continue;
    chunk.push(line);
    length += line.length;
    if (chunk.length < size && length < CHUNK_LENGTH) continue;
    yield chunk;
    chunk = [];
    length = 0;
  }
  if (chunk.length) yield chunk;
}

/**
 * One answer per custom_id: a line that comes twice is one result. A line that cannot be read, such as half of one at
 * the end of a stream cut short, is left out; the count of the rows then keeps the batch from being ingested.
 */
function answersOf(context: Context, batch: EndedBatch, lines: readonly string[]): Answer[] {
  const answers = lines.map(readAnswer);
  const unreadable = answers.filter((answer) => !answer).length;
  if (unreadable) {
    context.log.warn(
      { batch: publicId('batch', batch.id), unreadable },
      'lines of the results cannot be read',
    );
  }
  return [...new Map(answers.flatMap((answer) => (answer ? [[answer.customId, answer]] : []))).values()];
}

async function book(context: Context, batch: EndedBatch, prices: Prices, answers: Answer[]): Promise<void> {
  const asked = await readAsked(context, batch, answers);
  const rows = answers.map((answer) => toRow(context, prices, answer, asked.get(answer.customId)));
  const at = now(context.clock);
  const [{ moved }] = await context.db.$queryRaw<[{ moved: bigint }]>(sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS row (
        custom_id text, job_id uuid, job_type text, submission smallint, outcome item_outcome, stop_reason text,
        error_type text, item_message text, request_id text, model text, input_tokens int, output_tokens int,
        cache_write_5m int, cache_write_1h int, cache_read int, thinking_tokens int, web_searches int,
        cost_usd numeric, standard_cost_usd numeric,
        move text, error_code text, error_message text, result text, raw_text text,
        attempts smallint, expiries smallint, pause float8)
    ), leased AS (
      -- Taken before the first row gets its number: who hands results over locks the batch too, and reads on from the
      -- last number it saw, so the chunks of one batch have to be committed in the order of their numbers.
      UPDATE batch SET lease_until = CASE WHEN lease_owner = ${context.owner}::uuid THEN ${leaseEnd(context)} ELSE lease_until END
       WHERE id = ${batch.id}::uuid RETURNING id
    ), booked AS (
      INSERT INTO batch_item (batch_id, custom_id, job_id, tenant_id, provider_identity, job_type, outcome, stop_reason,
             error_type, error_message, request_id, model, input_tokens, output_tokens, cache_write_5m_tokens,
             cache_write_1h_tokens, cache_read_tokens, thinking_tokens, web_searches, cost_usd, standard_cost_usd, ingested_at)
      SELECT leased.id, custom_id, job_id, ${batch.tenant_id}::uuid, ${batch.provider_identity}, job_type, outcome,
             stop_reason, error_type, item_message, request_id, model, input_tokens, output_tokens, cache_write_5m,
             cache_write_1h, cache_read, thinking_tokens, web_searches, cost_usd, standard_cost_usd, ${at}
        FROM leased CROSS JOIN input
      ON CONFLICT (batch_id, custom_id) DO NOTHING
      RETURNING custom_id
    ), fresh AS (
      SELECT input.* FROM input JOIN booked USING (custom_id) WHERE move IS NOT NULL
    ), ${moveJobs(['completed', 'failed', 'released'], {
      at,
      move: sql`fresh.move`,
      from: sql`FROM fresh`,
      where: sql`job.id = fresh.job_id AND job.batch_id = ${batch.id}::uuid AND job.submission = fresh.submission`,
      set: sql`, attempt = job.attempt + fresh.attempts, expiries = job.expiries + fresh.expiries,
        due_at = CASE fresh.move WHEN 'released' THEN ${at} + make_interval(secs => fresh.pause) ELSE job.due_at END`,
      detail: sql`fresh.error_code`,
    })}, ended AS (
      INSERT INTO job_outcome (job_id, tenant_id, status, error_code, error_message, completed_at, result, raw_text)
      SELECT moved.id, moved.tenant_id, moved.status, error_code, error_message, ${at}, result, raw_text
        FROM moved JOIN fresh ON fresh.job_id = moved.id WHERE moved.status <> 'pending'
    )
    SELECT count(*) AS moved FROM moved`);
  context.hub.nudge();
  context.log.info(
    { batch: publicId('batch', batch.id), lines: answers.length, jobs: Number(moved) },
    'results booked',
  );
}

/** Which of the answers were asked for in this batch, by custom_id; any other is booked without a job. */
async function readAsked(
  context: Context,
  batch: EndedBatch,
  answers: Answer[],
): Promise<Map<string, Asked>> {
  const names = new Map(answers.map(({ customId }) => [customId, parseRequestName(customId)]));
  const ids = [...names.values()].flatMap((name) => (name ? [name.jobId] : []));
  const rows = await context.db.$queryRaw<Asked[]>(sql`
    SELECT r.job_id, r.submission, job.type, job.attempt, job.max_attempts, job.expiries
      FROM batch_request r JOIN job ON job.id = r.job_id
     WHERE r.batch_id = ${batch.id}::uuid AND r.job_id = ANY(${ids}::uuid[])`);
  const byJob = new Map(rows.map((row) => [row.job_id, row]));
  const asked = new Map<string, Asked>();
  for (const [customId, name] of names) {
    const row = name && byJob.get(name.jobId);
    if (row && row.submission === name.submission) asked.set(customId, row);
    else
      context.log.error(
        { batch: publicId('batch', batch.id), customId },
        'a result that was never asked for is booked without a job',
      );
  }
  return asked;
}

function toRow(context: Context, prices: Prices, answer: Answer, asked: Asked | undefined) {
  const usage = answer.usage ?? noUsage;
  const cost =
    answer.outcome === 'succeeded'
      ? answer.usage && costOf(prices, answer.model ?? '', usage)
      : { usd: '0', standardUsd: '0' };
  if (!cost)
    context.log.error(
      { model: answer.model, usage: answer.usage },
      'the cost of an answer stays unknown: its model has no price, or it does not say what it used',
    );
  return {
    custom_id: answer.customId,
    job_id: asked?.job_id,
    job_type: asked?.type,
    submission: asked?.submission,
    outcome: answer.outcome,
    stop_reason: answer.stopReason,
    error_type: answer.errorType,
    item_message: answer.errorMessage,
    request_id: answer.requestId,
    model: answer.model,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_write_5m: usage.cacheWrite5m,
    cache_write_1h: usage.cacheWrite1h,
    cache_read: usage.cacheRead,
    thinking_tokens: usage.thinkingTokens,
    web_searches: usage.webSearches,
    cost_usd: cost?.usd,
    standard_cost_usd: cost?.standardUsd,
    ...(asked ? consequence(context, answer, asked) : {}),
  };
}

interface Consequence {
  move: Move;
  attempts: number;
  expiries: number;
  pause?: number;
  error_code?: string;
  error_message?: string;
  result?: string;
  raw_text?: string | undefined;
}

/** The columns that say what becomes of the job. */
function consequence(context: Context, answer: Answer, asked: Asked): Consequence {
  const verdict = judge(answer, asked.type);
  switch (verdict.end) {
    case 'completed':
      return { move: 'completed', attempts: 0, expiries: 0, result: verdict.result };
    case 'failed': {
      const { code, message, rawText } = verdict;
      return { ...failure(code, message), attempts: 1, raw_text: rawText };
    }
    case 'retry': {
      if (asked.attempt + 1 >= asked.max_attempts)
        return { ...failure(verdict.code, verdict.message), attempts: 1 };
      const pause = (context.policy.retryDelay / 1000) * 2 ** asked.attempt;
      return { move: 'released', attempts: 1, expiries: 0, pause, error_code: verdict.code };
    }
    case 'again': {
      if (verdict.reason === 'canceled') return { move: 'released', attempts: 0, expiries: 0, pause: 0 };
      if (asked.expiries + 1 < MAX_EXPIRIES) return { move: 'released', attempts: 0, expiries: 1, pause: 0 };
      return { ...failure('EXPIRED', `The provider let it expire ${MAX_EXPIRIES} times.`), expiries: 1 };
    }
  }
}

function failure(code: string, message: string): Consequence {
  // The message may quote the answer: a property's name, or a piece cut out of the middle.
  return { move: 'failed', attempts: 0, expiries: 0, error_code: code, error_message: storable(message) };
}

async function finish(context: Context, batch: EndedBatch): Promise<'ingested' | 'incomplete'> {
  const booked = await context.db.batchItem.count({ where: { batchId: batch.id } });
  if (booked < batch.expected) {
    context.log.warn(
      { batch: publicId('batch', batch.id), booked, expected: batch.expected },
      'the results are incomplete and will be read again',
    );
    await postpone(context, batch.id);
    return 'incomplete';
  }
  await transaction(context.db, async (tx) => {
    const at = now(context.clock);
    const ingested = await moveBatch(
      tx,
      batch.id,
      'ended',
      'ingested',
      sql`, ingested_at = ${at}, next_poll_at = NULL`,
    );
    if (ingested) await failMissing(context, tx, batch, at);
  });
  context.log.info({ batch: publicId('batch', batch.id), booked }, 'batch ingested');
  return 'ingested';
}

/**
 * Fails the jobs that the complete results do not name. They may be in another batch that was taken for this one, and
 * paid there, so they are not sent again; left as they are they would be processing for ever.
 */
async function failMissing(context: Context, tx: Transaction, batch: EndedBatch, at: Sql): Promise<void> {
  const code: JobErrorCode = 'RESULT_MISSING';
  const [{ missing }] = await tx.$queryRaw<[{ missing: bigint }]>(sql`
    WITH ${moveJobs(['failed'], { at, where: sql`job.batch_id = ${batch.id}::uuid`, detail: sql`${code}::text` })}, ended AS (
      INSERT INTO job_outcome (job_id, tenant_id, status, error_code, error_message, completed_at)
      SELECT id, tenant_id, status, ${code}, 'The results of its batch are complete and do not name it.', ${at} FROM moved
    )
    SELECT count(*) AS missing FROM moved`);
  if (missing === 0n) return;
  context.hub.nudge();
  context.log.error(
    { batch: publicId('batch', batch.id), jobs: Number(missing) },
    'the complete results of a batch do not name all of its jobs',
  );
}

async function postpone(context: Context, batchId: string): Promise<void> {
  const { pollInterval, pollBackoff } = context.policy;
  await context.db.$executeRaw`
    UPDATE batch SET lease_owner = NULL, lease_until = NULL, poll_failures = poll_failures + 1,
           next_poll_at = ${now(context.clock)} + make_interval(secs => least(
             ${pollInterval / 1000}::float8 * power(2, least(poll_failures, 16)), ${pollBackoff / 1000}::float8))
     WHERE id = ${batchId}::uuid AND status = 'ended' AND lease_owner = ${context.owner}::uuid`;
}
