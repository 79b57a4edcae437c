import { expect, test } from 'vitest';
import { allResults, clientOf, DAY, emulate, HOUR, LONG_ENOUGH, MINUTE, raw, someRequests } from './setup.ts';

const allProcessing = (processing: number) => ({
  processing,
  succeeded: 0,
  errored: 0,
  canceled: 0,
  expired: 0,
});

test('counts stay at processing until the batch ends, then they all change at once', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(40) });
  await emulator.advance(4 * MINUTE);
  const running = await client.messages.batches.retrieve(id);
  expect(running).toMatchObject({ processing_status: 'in_progress', request_counts: allProcessing(40) });
  await emulator.advance(7 * MINUTE);
  const ended = await client.messages.batches.retrieve(id);
  expect(ended.processing_status).toBe('ended');
  expect(ended.request_counts).toEqual({ ...allProcessing(0), succeeded: 40 });
  const tookMs = Date.parse(ended.ended_at ?? '') - Date.parse(ended.created_at);
  expect(tookMs).toBeGreaterThan(2 * MINUTE);
  expect(tookMs).toBeLessThan(11 * MINUTE);
});

test('speed divides the time requests take, from the moment it changes', async () => {
  const emulator = await emulate({ speed: 60 });
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(10) });
  await emulator.advance(LONG_ENOUGH / 60);
  expect((await client.messages.batches.retrieve(id)).processing_status).toBe('ended');
  await emulator.settings({ speed: 0.001 });
  expect((await client.messages.batches.retrieve(id)).processing_status).toBe('ended');
  const slow = await client.messages.batches.create({ requests: someRequests(10) });
  await emulator.advance(LONG_ENOUGH);
  expect((await client.messages.batches.retrieve(slow.id)).processing_status).toBe('in_progress');
  await emulator.settings({ speed: 60 });
  await emulator.advance(LONG_ENOUGH / 60);
  expect((await client.messages.batches.retrieve(slow.id)).processing_status).toBe('ended');
});

test('a cancel lets what has started finish and cancels the rest', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(60) });
  await emulator.advance(210_000);
  const canceling = await client.messages.batches.cancel(id);
  expect(canceling).toMatchObject({ processing_status: 'canceling', request_counts: allProcessing(60) });
  expect(canceling.cancel_initiated_at).not.toBeNull();
  const again = await client.messages.batches.cancel(id);
  expect(again).toEqual(canceling);
  await emulator.advance(LONG_ENOUGH);
  const ended = await client.messages.batches.retrieve(id);
  const { succeeded, canceled } = ended.request_counts;
  expect(succeeded).toBeGreaterThan(0);
  expect(canceled).toBeGreaterThan(0);
  expect(succeeded + canceled).toBe(60);
  expect(ended).toMatchObject({
    processing_status: 'ended',
    cancel_initiated_at: canceling.cancel_initiated_at,
  });
  const types = (await allResults(client, id)).map((line) => line.result.type);
  expect(types.filter((type) => type === 'succeeded')).toHaveLength(succeeded);
  expect(types.filter((type) => type === 'canceled')).toHaveLength(canceled);
});

test('a cancel before anything started cancels everything, after a while', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(5) });
  expect((await client.messages.batches.cancel(id)).processing_status).toBe('canceling');
  await emulator.advance(10_500);
  const ended = await client.messages.batches.retrieve(id);
  expect(ended.request_counts).toEqual({ ...allProcessing(0), canceled: 5 });
});

test('a cancel after everything started cancels nothing', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(40) });
  await emulator.advance(301_000);
  expect((await client.messages.batches.cancel(id)).processing_status).toBe('canceling');
  await emulator.advance(LONG_ENOUGH);
  expect((await client.messages.batches.retrieve(id)).request_counts.succeeded).toBe(40);
});

test('after 24 hours what is not done expires and the rest stays succeeded', async () => {
  // So slow that the window is over when some requests are done and others are not.
  const emulator = await emulate({ speed: 250_000 / DAY });
  const client = clientOf(emulator);
  const { id, expires_at } = await client.messages.batches.create({ requests: someRequests(60) });
  await emulator.advance(23 * HOUR);
  expect((await client.messages.batches.retrieve(id)).processing_status).toBe('in_progress');
  await emulator.advance(1 * HOUR);
  const ended = await client.messages.batches.retrieve(id);
  expect(ended).toMatchObject({ processing_status: 'ended', ended_at: expires_at });
  expect(ended.request_counts.succeeded).toBeGreaterThan(0);
  expect(ended.request_counts.expired).toBeGreaterThan(0);
  expect(ended.request_counts.succeeded + ended.request_counts.expired).toBe(60);
  const expired = (await allResults(client, id)).filter((line) => line.result.type === 'expired');
  expect(expired).toHaveLength(ended.request_counts.expired);
});

test('29 days after its creation a batch is archived and its results are gone', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(1) });
  await emulator.advance(29 * DAY - MINUTE);
  expect(await allResults(client, id)).toHaveLength(1);
  expect((await client.messages.batches.retrieve(id)).archived_at).toBeNull();
  await emulator.advance(MINUTE);
  const archived = await client.messages.batches.retrieve(id);
  expect(Date.parse(archived.archived_at ?? '') - Date.parse(archived.created_at)).toBe(29 * DAY);
  await expect(allResults(client, id)).rejects.toMatchObject({ status: 404 });
});

test('a batch can be deleted only once it has ended, and is gone then', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(2) });
  await expect(client.messages.batches.delete(id)).rejects.toMatchObject({ status: 400 });
  await emulator.advance(LONG_ENOUGH);
  expect(await client.messages.batches.delete(id)).toEqual({ id, type: 'message_batch_deleted' });
  const missing = { status: 404, type: 'not_found_error' };
  await expect(client.messages.batches.retrieve(id)).rejects.toMatchObject(missing);
  await expect(client.messages.batches.cancel(id)).rejects.toMatchObject(missing);
  await expect(client.messages.batches.delete(id)).rejects.toMatchObject(missing);
  expect((await client.messages.batches.list()).data).toEqual([]);
  expect(emulator.accepted()).toMatchObject([{ id, status: 'deleted', custom_ids: ['r-0', 'r-1'] }]);
});

test('results before the end and a cancel after it are refused', async () => {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests: someRequests(2) });
  expect((await raw(emulator.url, `/v1/messages/batches/${id}/results`)).status).toBe(404);
  await emulator.advance(LONG_ENOUGH);
  await expect(client.messages.batches.cancel(id)).rejects.toMatchObject({ status: 400 });
});

test('a workspace sees nothing of another one', async () => {
  const emulator = await emulate();
  const [mine, theirs] = [clientOf(emulator, 'key-one'), clientOf(emulator, 'key-two')];
  const { id } = await mine.messages.batches.create({ requests: someRequests(2) });
  const missing = { status: 404, type: 'not_found_error' };
  await expect(theirs.messages.batches.retrieve(id)).rejects.toMatchObject(missing);
  await expect(theirs.messages.batches.cancel(id)).rejects.toMatchObject(missing);
  await expect(theirs.messages.batches.list({ after_id: id })).rejects.toMatchObject({ status: 404 });
  expect((await theirs.messages.batches.list()).data).toEqual([]);
  expect((await mine.messages.batches.list()).data).toHaveLength(1);
});
