import { expect, test } from 'vitest';
import { Loop } from '../../src/worker/loop.ts';

const silent = { info() {}, warn() {}, error() {} };

test('a loop turns again and again, also after a failure, until it is stopped', async () => {
  let turns = 0;
  const done = Promise.withResolvers<void>();
  const failures: object[] = [];
  const loop = new Loop(
    'test',
    () => {
      turns += 1;
      if (turns === 4) done.resolve();
      return turns === 2 ? Promise.reject(new Error('once')) : Promise.resolve();
    },
    1,
    { ...silent, error: (fields) => void failures.push(fields) },
  );
  loop.start();
  await done.promise;
  await loop.stop();
  expect(failures).toMatchObject([{ loop: 'test', failures: 1 }]);
  // A turn that was still to come would be a timer left behind, which fails the file.
});

test('stopping waits for the turn under way, and starts no other', async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const order: string[] = [];
  const loop = new Loop(
    'test',
    async () => {
      order.push('begun');
      begun.resolve();
      await release.promise;
      order.push('ended');
    },
    0,
    silent,
  );
  loop.start();
  await begun.promise;
  const stopped = loop.stop().then(() => order.push('stopped'));
  release.resolve();
  await stopped;
  expect(order).toEqual(['begun', 'ended', 'stopped']);
});
