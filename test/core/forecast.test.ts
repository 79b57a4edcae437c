import { expect, test } from 'vitest';
import { HOUR, stage } from './setup.ts';

test('a job is likely done when the median of the batches before it says, or in an hour without any', async () => {
  const it = await stage();
  const from = new Date('2026-06-01T00:00:00Z');
  const hours = async () => ((await it.core.forecastCompletion(from)).getTime() - from.getTime()) / HOUR;
  expect(await hours()).toBe(1);
  for (const duration of [1, 2, 9]) {
    await it.jobs(1);
    const { id } = await it.run();
    await it.db
      .$executeRaw`UPDATE batch SET ended_at = created_at + make_interval(hours => ${duration}) WHERE id = ${id}::uuid`;
  }
  expect(await hours()).toBe(2);
  await it.db
    .$executeRaw`UPDATE batch SET provider_identity = 'simulated:another' WHERE ended_at < created_at + interval '5 hours'`;
  expect(await hours(), 'batches of another account tell nothing').toBe(9);
});

test('a forecast is made even while nobody knows whose account it is', async () => {
  const it = await stage();
  await it.emulator.close();
  const from = new Date();
  expect((await it.core.forecastCompletion(from)).getTime() - from.getTime()).toBe(HOUR);
});
