import { createHash } from 'node:crypto';
import type { Prisma } from '../generated/prisma/client.ts';
import { requireScope, type Actor, type Context } from './context.ts';
import { CursorInvalidError, NotFoundError, ValidationError } from './errors.ts';
import { compareCursors, formatCursor, parseCursor, type Cursor, type JobSubscription } from './events.ts';
import type { JobTypeName } from './job-types/index.ts';
import type { JobStatus } from './states.ts';
import { sql } from './sql.ts';

/** Which columns and relations to read: what the GraphQL layer makes of the fields a client selects. */
export type JobQuery = Pick<Prisma.JobFindManyArgs, 'include' | 'select'>;
export type BatchQuery = Pick<Prisma.BatchFindManyArgs, 'include' | 'select'>;

/** The job, or undefined when there is none or it is another tenant's. Needs `jobs:read`, as all reads do. */
export async function readJob<T>(
  context: Context,
  actor: Actor,
  jobId: string,
  query: JobQuery,
): Promise<T | undefined> {
  requireScope(actor, 'jobs:read');
  const job = await context.db.job.findFirst({
    ...query,
    where: { id: jobId, tenantId: actor.tenantId },
  } as Prisma.JobFindFirstArgs);
  return (job as T | null) ?? undefined;
}

/** The batch, found by our id or the provider's; undefined when there is none or it is another tenant's. */
export async function readBatch<T>(
  context: Context,
  actor: Actor,
  which: { id: string } | { providerBatchId: string },
  query: BatchQuery,
): Promise<T | undefined> {
  requireScope(actor, 'jobs:read');
  // PostgreSQL's text holds no U+0000, so nothing can have such an id.
  if ('providerBatchId' in which && which.providerBatchId.includes('\0')) return undefined;
  const batch = await context.db.batch.findFirst({
    ...query,
    where: { ...which, tenantId: actor.tenantId },
  } as Prisma.BatchFindFirstArgs);
  return (batch as T | null) ?? undefined;
}

/** AND of its parts; a part left out, or an empty list, matches everything. */
export interface JobFilter {
  status?: readonly JobStatus[] | undefined;
  type?: readonly JobTypeName[] | undefined;
}

/** The most rows of one page. */
export const MAX_PAGE_SIZE = 1000;

/** A page, forward from `after` or backward from `before`, of at most `size` jobs, newest first. */
export interface PageRequest {
  size: number;
  after?: string | undefined;
  before?: string | undefined;
  backward?: boolean | undefined;
}

export interface Page<T> {
  rows: { cursor: string; row: T }[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

type Keyed = { id: string; createdAt: Date };

/**
 * A page of the tenant's jobs by (created_at, id), newest first. The place is kept as values, not as a row, so a page
 * costs the same at any depth and a deleted row breaks nothing. Throws CursorInvalidError for a cursor of another list,
 * ValidationError for a size below 0 or above MAX_PAGE_SIZE.
 */
export async function listJobs<T extends Keyed>(
  context: Context,
  actor: Actor,
  filter: JobFilter,
  page: PageRequest,
  query: JobQuery,
): Promise<Page<T>> {
  requireScope(actor, 'jobs:read');
  if (page.size < 0 || page.size > MAX_PAGE_SIZE) {
    throw new ValidationError(
      'first',
      `A page has at least 0 and at most ${MAX_PAGE_SIZE} rows; ${page.size} were asked for.`,
    );
  }
  const list = createHash('sha256')
    .update(JSON.stringify([actor.tenantId, filter.status, filter.type]))
    .digest('base64url')
    .slice(0, 8);
  const where: Prisma.JobWhereInput = {
    tenantId: actor.tenantId,
    ...(filter.status?.length ? { status: { in: [...filter.status] } } : {}),
    ...(filter.type?.length ? { type: { in: [...filter.type] } } : {}),
    AND: [
      ...(page.after === undefined ? [] : [beyond(readPlace(list, page.after), 'lt')]),
      ...(page.before === undefined ? [] : [beyond(readPlace(list, page.before), 'gt')]),
    ],
  };
  const order = page.backward ? 'asc' : 'desc';
  const found = (await context.db.job.findMany({
    ...query,
    where,
    orderBy: [{ createdAt: order }, { id: order }],
    take: page.size + 1,
  } as Prisma.JobFindManyArgs)) as unknown as T[];
  const more = found.length > page.size;
  const rows = found.slice(0, page.size).map((row) => ({ cursor: writePlace(list, row), row }));
  return page.backward
    ? { rows: rows.toReversed(), hasNextPage: page.before !== undefined, hasPreviousPage: more }
    : { rows, hasNextPage: more, hasPreviousPage: page.after !== undefined };
}

/** (created_at, id) beyond a place. The redundant first part lets the index start there; OR alone would not. */
function beyond({ createdAt, id }: Keyed, side: 'lt' | 'gt'): Prisma.JobWhereInput {
  const orAt = side === 'lt' ? 'lte' : 'gte';
  return {
    createdAt: { [orAt]: createdAt },
    OR: [{ createdAt: { [side]: createdAt } }, { createdAt, id: { [side]: id } }],
  };
}

function writePlace(list: string, { createdAt, id }: Keyed): string {
  return Buffer.from(JSON.stringify([list, createdAt.getTime(), id])).toString('base64url');
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** The end of the year 9999; the database would refuse what a forged cursor may name beyond it. */
const MAX_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function readPlace(list: string, cursor: string): Keyed {
  try {
    const [of, time, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [
      string,
      number,
      string,
    ];
    const inRange = Number.isInteger(time) && time >= 0 && time <= MAX_TIME;
    if (of === list && inRange && UUID.test(id)) return { createdAt: new Date(time), id };
  } catch {
    // Falls through: what cannot be read is no cursor of ours.
  }
  throw new CursorInvalidError();
}

/**
 * Watches one job: first its state as it is now, then its newest state after each change, in the order of versions.
 * `after` is the cursor of the last update the client saw; the first update's `gap` says whether it is one that the
 * log can still account for. Throws NotFoundError. The subscription is the caller's to end with `return()`.
 */
export async function watchJob(
  context: Context,
  actor: Actor,
  jobId: string,
  after?: string,
): Promise<JobSubscription> {
  requireScope(actor, 'jobs:read');
  const subscription = context.hub.subscribe(jobId);
  try {
    const { position } = context.hub;
    const gap = after !== undefined && !(await isInLog(context, after));
    const job = await context.db.job.findFirst({
      where: { id: jobId, tenantId: actor.tenantId },
      select: { version: true, status: true, updatedAt: true },
    });
    if (!job) throw new NotFoundError('Job');
    const { version, status, updatedAt: at } = job;
    return subscription.open({
      kind: 'SNAPSHOT',
      gap,
      cursor: formatCursor(position),
      jobId,
      version,
      status,
      at,
    });
  } catch (error) {
    await subscription.return();
    throw error;
  }
}

/** Whether the log holds everything since a client's cursor. */
async function isInLog(context: Context, after: string): Promise<boolean> {
  const cursor = parseCursor(after);
  if (!cursor) return false;
  const [log] = await context.db.$queryRaw<
    [{ epoch: number; pruned_xid: bigint; pruned_id: bigint; open_xid: bigint }]
  >(sql`
    SELECT epoch, pruned_xid, pruned_id, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS open_xid FROM log_state`);
  const pruned: Cursor = { epoch: log.epoch, xid: log.pruned_xid, id: log.pruned_id };
  return cursor.epoch === log.epoch && cursor.xid < log.open_xid && compareCursors(cursor, pruned) >= 0;
}
