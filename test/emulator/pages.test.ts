import { expect, test } from 'vitest';
import { clientOf, emulate, LONG_ENOUGH, someRequests } from './setup.ts';

async function sevenBatches() {
  const emulator = await emulate();
  const client = clientOf(emulator);
  const ids: string[] = [];
  for (let i = 0; i < 7; i++)
    ids.push((await client.messages.batches.create({ requests: someRequests(1) })).id);
  return { emulator, client, newestFirst: ids.toReversed() };
}

test('the SDK pages through all batches, newest first', async () => {
  const { client, newestFirst } = await sevenBatches();
  const seen: string[] = [];
  for await (const batch of client.messages.batches.list({ limit: 3 })) seen.push(batch.id);
  expect(seen).toEqual(newestFirst);
});

test('before_id gives the page just newer than a batch, and the SDK follows it to the newest', async () => {
  const { client, newestFirst } = await sevenBatches();
  const page = await client.messages.batches.list({ limit: 2, before_id: newestFirst[5] ?? '' });
  expect(page.data.map((batch) => batch.id)).toEqual(newestFirst.slice(3, 5));
  expect(page.has_more).toBe(true);
  const seen = new Set<string>();
  for await (const batch of client.messages.batches.list({ limit: 2, before_id: newestFirst[5] ?? '' }))
    seen.add(batch.id);
  expect(seen).toEqual(new Set(newestFirst.slice(0, 5)));
});

test('paging is not disturbed by batches that come and go meanwhile', async () => {
  const { emulator, client, newestFirst } = await sevenBatches();
  await emulator.advance(LONG_ENOUGH);
  const first = await client.messages.batches.list({ limit: 3 });
  await client.messages.batches.create({ requests: someRequests(1) });
  await client.messages.batches.delete(newestFirst[4] ?? '');
  const second = await client.messages.batches.list({ limit: 3, after_id: first.last_id ?? '' });
  expect(second.data.map((batch) => batch.id)).toEqual([newestFirst[3], newestFirst[5], newestFirst[6]]);
  expect(second.has_more).toBe(false);
});

test('an empty page has null cursors, and the default page holds twenty', async () => {
  const client = clientOf(await emulate());
  const page = await client.messages.batches.list();
  expect(page).toMatchObject({ data: [], has_more: false, first_id: null, last_id: null });
  for (let i = 0; i < 21; i++) await client.messages.batches.create({ requests: someRequests(1) });
  const full = await client.messages.batches.list();
  expect(full.data).toHaveLength(20);
  expect(full.has_more).toBe(true);
});

test.for([0, 1001, 'ten'])('a limit of %s is refused', async (limit) => {
  const client = clientOf(await emulate());
  const refused = client.messages.batches.list({ limit: limit as number });
  await expect(refused).rejects.toMatchObject({ status: 400, type: 'invalid_request_error' });
});

test('two cursors at once are refused', async () => {
  const { client, newestFirst } = await sevenBatches();
  const both = { after_id: newestFirst[0] ?? '', before_id: newestFirst[1] ?? '' };
  await expect(client.messages.batches.list(both)).rejects.toMatchObject({ status: 400 });
});
