import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres.ts';
import { fromServerLog } from '../../src/adapters/embedded-postgres/error.ts';
import { atEnd, canRunAsOthers, isRoot, Program, serversBelow, temporaryFolder } from './program.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const run = promisify(execFile);

async function usedDataDir(): Promise<string> {
  const dataDir = join(await temporaryFolder(), 'data');
  const server = await startEmbeddedPostgres({ dataDir, fsync: false });
  await server.close();
  return dataDir;
}

test('a relative data directory is refused', async () => {
  await expect(startEmbeddedPostgres({ dataDir: 'data' })).rejects.toMatchObject({
    code: 'DATA_DIR_INVALID',
  });
});

test('a data directory below a file is refused', async () => {
  const file = join(await temporaryFolder(), 'file');
  await writeFile(file, '');
  const starting = startEmbeddedPostgres({ dataDir: join(file, 'data') });
  await expect(starting).rejects.toMatchObject({ code: 'DATA_DIR_INVALID' });
});

test.skipIf(!canRunAsOthers)(
  'a data directory that may not be written is named with the remedy',
  async () => {
    const folder = await temporaryFolder();
    const program = new Program(join(folder, 'data'), { uid: 1 });
    const { code, message } = await program.said('failed');
    expect(code).toBe('DATA_DIR_NOT_WRITABLE');
    expect(message).toContain(join(folder, 'data'));
  },
);

test.skipIf(!canRunAsOthers)("another user's data directory is not writable either", async () => {
  const program = new Program(await usedDataDir(), { uid: 1 });
  expect((await program.said('failed')).code).toBe('DATA_DIR_NOT_WRITABLE');
});

test('a database of another major version is refused before it is touched', async () => {
  const dataDir = await usedDataDir();
  await writeFile(join(dataDir, 'postgres/cluster/PG_VERSION'), '19\n');
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({
    code: 'CLUSTER_VERSION',
    message: expect.stringMatching(/made by PostgreSQL 19.*brings PostgreSQL 18.*pg_dump/),
  });
});

test('a folder that is no cluster is not overwritten', async () => {
  const cluster = join(await temporaryFolder(), 'data/postgres/cluster');
  await mkdir(cluster, { recursive: true });
  await writeFile(join(cluster, 'precious'), 'rows');
  const starting = startEmbeddedPostgres({ dataDir: join(cluster, '../..') });
  await expect(starting).rejects.toMatchObject({ code: 'CLUSTER_DAMAGED' });
});

test('a cluster without its control file is reported with what PostgreSQL said', async () => {
  const dataDir = await usedDataDir();
  await rm(join(dataDir, 'postgres/cluster/global/pg_control'));
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({
    code: expect.stringMatching(/^(CLUSTER_DAMAGED|START_FAILED)$/),
    message: expect.stringContaining('pg_control'),
  });
});

test('a lost password is reported, and no new one is made up', async () => {
  const dataDir = await usedDataDir();
  await rm(join(dataDir, 'postgres-password'));
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({ code: 'PASSWORD_MISSING' });
});

test('a wrong password is reported, and no server stays behind', async () => {
  const dataDir = await usedDataDir();
  await writeFile(join(dataDir, 'postgres-password'), 'of another database\n');
  const starting = startEmbeddedPostgres({ dataDir, fsync: false });
  await expect(starting).rejects.toMatchObject({ code: 'PASSWORD_MISMATCH' });
  await vi.waitUntil(async () => (await serversBelow(dataDir)).length === 0, { timeout: 20_000 });
});

test.skipIf(!isRoot)('a full disk is reported as such, and leaves nothing half-made', async ({ skip }) => {
  const folder = join(await temporaryFolder(), 'small');
  await mkdir(folder);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=12m,mode=755', 'tmpfs', folder]).catch(
    () => undefined,
  );
  if (mounted === undefined) skip('this machine does not let us mount a small disk');
  atEnd(() => run('umount', [folder]));
  const starting = startEmbeddedPostgres({ dataDir: join(folder, 'data') });
  await expect(starting).rejects.toMatchObject({
    code: 'DISK_FULL',
    message: expect.stringContaining(folder),
  });
  const { stdout } = await run('ls', [join(folder, 'data/postgres')]);
  expect(stdout).toBe('');
});

test('what the server logged decides what is to be done', () => {
  const codeFor = (log: string) => {
    const verdict = fromServerLog('/data', log);
    return verdict === 'try again' ? verdict : verdict.code;
  };
  expect(codeFor('FATAL:  lock file "postmaster.pid" already exists')).toBe('try again');
  expect(codeFor('FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use')).toBe('try again');
  expect(codeFor('FATAL:  could not write lock file "postmaster.pid": No space left on device')).toBe(
    'DISK_FULL',
  );
  expect(codeFor('FATAL:  data directory "/data" has wrong ownership')).toBe('DATA_DIR_NOT_WRITABLE');
  expect(codeFor('FATAL:  database files are incompatible with server')).toBe('CLUSTER_DAMAGED');
  expect(codeFor('PANIC:  could not locate a valid checkpoint record')).toBe('CLUSTER_DAMAGED');
  expect(codeFor('something else')).toBe('START_FAILED');
});
