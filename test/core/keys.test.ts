import { expect, test } from 'vitest';
import { hasKeys, newToken, storeEnvironmentKey, storeFirstKey, storeKey } from '../../src/core/index.ts';
import { otherProcess, stage } from './setup.ts';

test('a key lets in whom it was made for, until it expires or is revoked', async () => {
  const { core, db } = await stage();
  const key = { name: 'test', tenant: 'acme', scopes: ['jobs:read' as const] };
  const [valid, expired, revoked] = [newToken(), newToken(), newToken()];
  await storeKey(db, valid, key);
  await storeKey(db, expired, { ...key, expiresAt: new Date(Date.now() - 1) });
  await storeKey(db, revoked, { ...key, name: 'revoked' });
  await db.apiKey.updateMany({ where: { name: 'revoked' }, data: { revokedAt: new Date() } });
  const tenant = await db.tenant.findUniqueOrThrow({ where: { name: 'acme' } });
  expect(await core.authenticate(valid)).toMatchObject({ tenantId: tenant.id, scopes: ['jobs:read'] });
  for (const token of [expired, revoked, newToken(), '', `${valid} `]) {
    expect(await core.authenticate(token)).toBeUndefined();
  }
});

test('no token is stored', async () => {
  const { db } = await stage();
  const token = newToken();
  await storeKey(db, token, { name: 'test', tenant: 'acme', scopes: [] });
  const [{ dump }] = await db.$queryRaw<
    [{ dump: string }]
  >`SELECT json_agg(api_key)::text AS dump FROM api_key`;
  expect(dump).not.toContain(token.split('_').at(-1));
});

test('a changed key of the environment replaces the one before, and one that comes back is valid again', async () => {
  const { core, db } = await stage();
  const [first, second] = [newToken(), newToken()];
  await storeEnvironmentKey(db, first);
  await storeEnvironmentKey(db, second);
  expect(await core.authenticate(first)).toBeUndefined();
  expect(await core.authenticate(second)).toBeDefined();
  await storeEnvironmentKey(db, first);
  expect(await core.authenticate(first)).toBeDefined();
  await expect(storeEnvironmentKey(db, 'short')).rejects.toThrow(/at least 32 characters; this one has 5/);
});

test('four processes that start at once on an empty database agree on one tenant and one key', async () => {
  const it = await stage();
  const token = newToken();
  const processes = Array.from({ length: 4 }, () => otherProcess(it));
  for (let round = 0; round < 10; round += 1) {
    await it.db.$executeRaw`DELETE FROM api_key`;
    await it.db.$executeRaw`DELETE FROM tenant`;
    expect(await hasKeys(it.db)).toBe(false);
    await Promise.all(processes.map(({ db }) => storeFirstKey(db, token)));
    expect([await it.db.tenant.count(), await it.db.apiKey.count()]).toEqual([1, 1]);
  }
  expect(await it.core.authenticate(token)).toBeDefined();
});
