import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Feed } from '../../src/adapters/feed.ts';
import { Hub, type JobEvent, type JobUpdate } from '../../src/core/index.ts';
import { stage, type Stage } from './setup.ts';

const event = (version: number, jobId = 'job'): JobEvent => ({
  cursor: { epoch: 1, xid: BigInt(version), id: 1n },
  jobId,
  tenantId: 'tenant',
  version,
  status: 'pending',
  at: new Date(0),
});
const snapshot = (version: number): JobUpdate => ({
  kind: 'SNAPSHOT',
  gap: false,
  cursor: '',
  jobId: 'job',
  version,
  status: 'pending',
  at: new Date(0),
});
const publish = (hub: Hub, ...versions: number[]) =>
  hub.publish(
    versions.map((version) => event(version)),
    { epoch: 1, xid: 0n, id: 0n },
  );

/** What a subscription has now, without waiting for more. */
async function ready(subscription: AsyncIterator<JobUpdate>): Promise<JobUpdate | undefined> {
  const next = subscription.next();
  const none = new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)));
  return (await Promise.race([next, none]))?.value as JobUpdate | undefined;
}

describe('the hub', () => {
  test('keeps the newest state for whoever is slow, and never goes back', async () => {
    const hub = new Hub();
    const subscription = hub.subscribe('job').open(snapshot(1));
    publish(hub, 2, 3, 5);
    publish(hub, 4);
    expect((await subscription.next()).value).toMatchObject({ kind: 'SNAPSHOT', version: 1 });
    expect((await subscription.next()).value).toMatchObject({ kind: 'CHANGED', version: 5 });
    publish(hub, 4);
    expect(await ready(subscription)).toBeUndefined();
  });

  test('holds events back until the snapshot is there, and drops those it covers', async () => {
    const hub = new Hub();
    const subscription = hub.subscribe('job');
    publish(hub, 2, 3);
    const first = subscription.next();
    subscription.open(snapshot(3));
    expect((await first).value).toMatchObject({ kind: 'SNAPSHOT', version: 3 });
    const second = subscription.next();
    publish(hub, 3);
    publish(hub, 4);
    expect((await second).value).toMatchObject({ kind: 'CHANGED', version: 4 });
  });

  test('delivers a job’s events to each of its subscribers, and to no other’s', async () => {
    const hub = new Hub();
    const [a, b] = [hub.subscribe('job').open(snapshot(0)), hub.subscribe('job').open(snapshot(0))];
    const other = hub.subscribe('other').open({ ...snapshot(0), jobId: 'other' });
    for (const subscription of [a, b, other]) await subscription.next();
    publish(hub, 1);
    expect(await ready(a)).toMatchObject({ version: 1 });
    expect(await ready(b)).toMatchObject({ version: 1 });
    expect(await ready(other)).toBeUndefined();
    expect(hub.size).toBe(3);
  });

  test('forgets a subscriber that leaves, once and for all', async () => {
    const hub = new Hub();
    const first = hub.subscribe('job').open(snapshot(0));
    await first.next();
    const waiting = first.next();
    await first.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(hub.size).toBe(0);
    const second = hub.subscribe('job').open(snapshot(0));
    await second.next();
    await first.return();
    expect(hub.size).toBe(1);
    publish(hub, 1);
    expect(await ready(second)).toMatchObject({ version: 1 });
  });

  test('ends all subscriptions when it closes', async () => {
    const hub = new Hub();
    const subscriptions = ['a', 'b', 'b'].map((job) => hub.subscribe(job).open(snapshot(0)));
    hub.close();
    for (const subscription of subscriptions) expect((await subscription.next()).done).toBe(true);
    expect(hub.size).toBe(0);
  });
});

async function subscribed(it: Stage, jobId: string): Promise<AsyncIterator<JobUpdate>> {
  const subscription = it.core.hub.subscribe(jobId).open({ ...snapshot(0), jobId });
  await subscription.next();
  return subscription;
}

/**
 * The next update, with as many turns of the feed as it takes: the feed stops at the oldest transaction of the whole
 * cluster, and other tests have theirs.
 */
async function soon(it: Stage, subscription: AsyncIterator<JobUpdate>): Promise<JobUpdate> {
  let there = false;
  const next = subscription.next().finally(() => (there = true));
  while (!there) await it.feed.tick();
  return (await next).value as JobUpdate;
}

/** A connection that can hold a transaction open. */
async function client({ connection }: Stage): Promise<pg.Client> {
  const opened = new pg.Client(connection);
  await opened.connect();
  onTestFinished(() => opened.end());
  return opened;
}

const writeEvent = (jobId: string, version: number) => `
  INSERT INTO job_event (epoch, job_id, tenant_id, version, status, move, at)
  VALUES (1, '${jobId}', '${jobId}', ${version}, 'pending', 'claimed', now())`;

describe('the feed', () => {
  test('loses nothing of a transaction that commits late', async () => {
    const it = await stage();
    const [early, late] = [crypto.randomUUID(), crypto.randomUUID()];
    const [ofEarly, ofLate] = await Promise.all([early, late].map((jobId) => subscribed(it, jobId)));
    const [slow, fast] = [await client(it), await client(it)];
    await slow.query('BEGIN');
    await slow.query(writeEvent(late, 1));
    await fast.query(writeEvent(early, 1));
    await it.feed.tick();
    await slow.query('COMMIT');
    expect(await soon(it, ofEarly!)).toMatchObject({ jobId: early, version: 1 });
    expect(await soon(it, ofLate!)).toMatchObject({ jobId: late, version: 1 });
  });

  test('reads more than a page at once', async () => {
    const it = await stage();
    const jobId = crypto.randomUUID();
    const subscription = await subscribed(it, jobId);
    await it.db.$executeRaw`
      INSERT INTO job_event (epoch, job_id, tenant_id, version, status, move, at)
      SELECT 1, ${jobId}::uuid, ${jobId}::uuid, n, 'pending', 'claimed', now() FROM generate_series(1, 2500) AS n`;
    let update: JobUpdate | undefined;
    while (update?.version !== 2500) update = await soon(it, subscription);
    expect(await ready(subscription)).toBeUndefined();
  });

  test('asked at any moment of a read, it reads once more', async () => {
    const it = await stage();
    const pages: Promise<unknown>[] = [];
    const db = new Proxy(it.db, {
      get: (target, key, receiver) => {
        if (key !== '$queryRaw') return Reflect.get(target, key, receiver) as unknown;
        return (...args: Parameters<typeof it.db.$queryRaw>) => {
          const page = it.db.$queryRaw(...args);
          pages.push(page);
          return page;
        };
      },
    });
    const feed = new Feed(db, new Hub(), { info() {}, warn() {}, error() {} }, 2 ** 30);
    await feed.start();
    onTestFinished(() => feed.close());
    for (let steps = 0; steps < 15; steps += 1) {
      pages.length = 0;
      const first = feed.tick();
      await pages[0];
      for (let step = 0; step < steps; step += 1) await Promise.resolve();
      await Promise.all([first, feed.tick()]);
      expect(pages, `asked ${steps} steps after the page was there`).toHaveLength(2);
    }
  });

  test('starts at the end of the log, and in a new epoch when the database is a restored copy', async () => {
    const it = await stage();
    const [job] = await it.jobs(1);
    const watch = async (after?: string) => {
      const subscription = await it.core.watchJob(it.caller, job!, after);
      onTestFinished(() => void subscription.return());
      return (await subscription.next()).value as JobUpdate;
    };
    const { cursor } = await watch();
    expect((await watch(cursor)).gap).toBe(false);
    // What a restore into another cluster looks like: the log is ahead of the transactions.
    await it.db.$executeRaw`UPDATE job_event SET xid = xid + 1000000000`;
    const feeds = [1, 2].map(() => new Feed(it.db, new Hub(), { info() {}, warn() {}, error() {} }, 2 ** 30));
    await Promise.all(feeds.map((feed) => feed.start()));
    for (const feed of feeds) await feed.close();
    const [{ epoch }] = await it.db.$queryRaw<[{ epoch: number }]>`SELECT epoch FROM log_state`;
    expect(epoch).toBe(2);
    expect((await watch(cursor)).gap).toBe(true);
    await it.feed.start();
    const subscription = await it.core.watchJob(it.caller, job!);
    expect((await subscription.next()).value).toMatchObject({ version: 1, gap: false });
    await it.core.cancelJob(it.caller, job!);
    expect(await soon(it, subscription)).toMatchObject({ version: 2, status: 'cancelled' });
    await subscription.return();
  });

  test('that cannot read tries again from the same place', async () => {
    const it = await stage();
    const [job] = await it.jobs(1);
    const subscription = await it.core.watchJob(it.caller, job!);
    await subscription.next();
    await it.db.$executeRaw`ALTER TABLE job_event RENAME TO elsewhere`;
    await it.feed.tick();
    await it.db.$executeRaw`ALTER TABLE elsewhere RENAME TO job_event`;
    await it.core.cancelJob(it.caller, job!);
    expect(await soon(it, subscription)).toMatchObject({ status: 'cancelled' });
    await subscription.return();
  });
});

describe('watching a job', () => {
  test('gives its state first, then each change, with a cursor to go on from', async () => {
    const it = await stage();
    const [job] = await it.jobs(1);
    const subscription = await it.core.watchJob(it.caller, job!);
    expect((await subscription.next()).value).toMatchObject({
      kind: 'SNAPSHOT',
      gap: false,
      version: 1,
      status: 'pending',
    });
    await it.seal();
    const claimed = await soon(it, subscription);
    expect(claimed).toMatchObject({ kind: 'CHANGED', version: 2, status: 'processing' });
    await subscription.return();
    const resumed = await it.core.watchJob(it.caller, job!, claimed.cursor);
    expect((await resumed.next()).value).toMatchObject({ kind: 'SNAPSHOT', gap: false, version: 2 });
    await resumed.return();
    expect(it.core.hub.size).toBe(0);
  });

  test.each([
    'nonsense',
    Buffer.from('7.1.1').toString('base64url'),
    Buffer.from('1.99999999999.1').toString('base64url'),
  ])('an unknown cursor (%s) is a gap, not an error', async (after) => {
    const it = await stage();
    const [job] = await it.jobs(1);
    const subscription = await it.core.watchJob(it.caller, job!, after);
    expect((await subscription.next()).value).toMatchObject({ kind: 'SNAPSHOT', gap: true });
    await subscription.return();
  });

  test('a job that is not there leaves no subscription behind', async () => {
    const it = await stage();
    await expect(it.core.watchJob(it.caller, crypto.randomUUID())).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(it.core.hub.size).toBe(0);
  });
});
