import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { type Connection, startEmbeddedPostgres } from '../../src/adapters/embedded-postgres.ts';
import { checkExternalDatabase, refuseOldServer } from '../../src/adapters/external-postgres.ts';
import { atEnd, isRoot, query, temporaryFolder } from './program.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

async function start(dataDir?: string) {
  const server = await startEmbeddedPostgres({
    dataDir: dataDir ?? join(await temporaryFolder(), 'data'),
    fsync: false,
  });
  atEnd(() => server.close());
  return server;
}

function urlFor({ host, port, user, password, database }: Connection): string {
  return `postgresql://${user}:${password}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('a usable database passes, and the check leaves no connection behind', async () => {
  const server = await start();
  await expect(checkExternalDatabase(server.connectionString)).resolves.toBeUndefined();
  await expect(
    checkExternalDatabase(server.connectionString, { schema: 'to_be_made' }),
  ).resolves.toBeUndefined();
  const left = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'offpeak check'`;
  await vi.waitUntil(async () => (await query(server.connection, left)).length === 0);
});

describe('connecting', () => {
  test('nobody listens there: the address is named, the password is not', async () => {
    const port = await freePort();
    const checking = checkExternalDatabase(`postgresql://me:s3cret@127.0.0.1:${port}/mine`);
    const error: Error = await checking.then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: 'CANNOT_CONNECT' });
    expect(error.message).toContain(`127.0.0.1:${port}, database "mine", user "me"`);
    expect(error.message).toContain('ECONNREFUSED');
    expect(`${error.message} ${error.stack} ${String(error.cause)}`).not.toContain('s3cret');
  });

  test('a server that never answers is given up', async () => {
    const accepted: Socket[] = [];
    const silent = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    atEnd(() => {
      silent.close();
      for (const socket of accepted) socket.destroy();
    });
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const checking = checkExternalDatabase(`postgresql://me@127.0.0.1:${port}/mine`, {
      connectTimeoutMs: 200,
    });
    await expect(checking).rejects.toMatchObject({ code: 'CANNOT_CONNECT' });
  });

  test('a wrong password or database is reported in the words of the server', async () => {
    const { connection } = await start();
    await expect(checkExternalDatabase(urlFor({ ...connection, password: 'wr0ng' }))).rejects.toMatchObject({
      code: 'CANNOT_CONNECT',
      message: expect.stringMatching(/^(?!.*wr0ng).*password authentication failed/),
    });
    await expect(checkExternalDatabase(urlFor({ ...connection, database: 'absent' }))).rejects.toMatchObject({
      code: 'CANNOT_CONNECT',
      message: expect.stringContaining('database "absent" does not exist'),
    });
  });

  test('what is no PostgreSQL URL is said to be none, without repeating it', async () => {
    for (const url of ['mysql://me:s3cret@host/db', 'postgresql://me:s3cret@host:port/db', 's3cret', '']) {
      const error: Error = await checkExternalDatabase(url).then(
        () => expect.unreachable(),
        (reason) => reason,
      );
      expect(error).toMatchObject({ code: 'URL_INVALID' });
      expect(`${error.message} ${String(error.cause)}`).not.toContain('s3cret');
    }
  });
});

describe('the database', () => {
  test('an old server is refused by its version', () => {
    expect(() => refuseOldServer(150_000)).not.toThrow();
    expect(() => refuseOldServer(180_004)).not.toThrow();
    expect(() => refuseOldServer(140_012)).toThrow(/is PostgreSQL 14; .* 15 or newer/);
    expect(() => refuseOldServer(90_624)).toThrow(/is PostgreSQL 9/);
  });

  test('an encoding other than UTF8 is refused', async () => {
    const { connection } = await start();
    const create = `CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`;
    await query(connection, create);
    await expect(checkExternalDatabase(urlFor({ ...connection, database: 'latin' }))).rejects.toMatchObject({
      code: 'ENCODING_NOT_UTF8',
      message: expect.stringContaining('LATIN1'),
    });
  });

  test('a user who may not create tables is refused, and passes once granted', async () => {
    const { connection } = await start();
    await query(connection, `CREATE ROLE guest LOGIN PASSWORD 'guest'`);
    const url = urlFor({ ...connection, user: 'guest', password: 'guest' });
    await expect(checkExternalDatabase(url)).rejects.toMatchObject({
      code: 'NO_CREATE_RIGHT',
      message: expect.stringContaining('GRANT USAGE, CREATE ON SCHEMA public TO "guest"'),
    });
    await expect(checkExternalDatabase(url, { schema: 'absent' })).rejects.toMatchObject({
      code: 'NO_CREATE_RIGHT',
    });
    await query(connection, `ALTER ROLE guest SET search_path = nowhere`);
    await expect(checkExternalDatabase(url)).rejects.toMatchObject({
      message: expect.stringContaining('names no schema that exists'),
    });
    await query(connection, `ALTER ROLE guest RESET search_path; GRANT CREATE ON SCHEMA public TO guest`);
    await expect(checkExternalDatabase(url)).resolves.toBeUndefined();
  });

  test('a user whose transactions are read-only is refused', async () => {
    const { connection } = await start();
    await query(
      connection,
      `CREATE ROLE reader LOGIN PASSWORD 'r'; ALTER ROLE reader SET default_transaction_read_only = on`,
    );
    const checking = checkExternalDatabase(urlFor({ ...connection, user: 'reader', password: 'r' }));
    await expect(checking).rejects.toMatchObject({
      code: 'READ_ONLY',
      message: expect.stringContaining('default_transaction_read_only'),
    });
  });

  test('a standby is refused', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const primary = await startEmbeddedPostgres({ dataDir, fsync: false });
    await primary.close();
    await writeFile(join(dataDir, 'postgres/cluster/standby.signal'), '');
    const standby = await start(dataDir);
    await expect(checkExternalDatabase(standby.connectionString)).rejects.toMatchObject({
      code: 'READ_ONLY',
      message: expect.stringContaining('standby'),
    });
  });
});

const pgbouncer = '/usr/sbin/pgbouncer';

/** pgbouncer is no dependency: where the system has none, these are skipped. */
describe.skipIf(!existsSync(pgbouncer))('PgBouncer', () => {
  async function pooled(mode: string, poolSize: number): Promise<string> {
    const { connection } = await start();
    const folder = await temporaryFolder();
    const port = await freePort();
    const { host, user, password, database } = connection;
    const config = join(folder, 'pgbouncer.ini');
    await writeFile(
      config,
      `[databases]
mine = host=${host} port=5432 dbname=${database} user=${user} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${poolSize}
`,
    );
    // Like PostgreSQL it refuses to be root, and as the same user it may use the socket.
    const child = spawn(pgbouncer, [config], {
      ...(isRoot ? { uid: 65534, gid: 65534 } : {}),
      cwd: '/',
      stdio: 'ignore',
    });
    const url = `postgresql://any@127.0.0.1:${port}/mine`;
    atEnd(async () => {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    });
    await vi.waitUntil(
      () =>
        checkExternalDatabase(url).then(
          () => true,
          (error) => error.code !== 'CANNOT_CONNECT',
        ),
      {
        timeout: 20_000,
      },
    );
    return url;
  }

  test.each([
    ['transaction', 1],
    ['transaction', 20],
    ['statement', 20],
  ])('in %s mode with %i sessions is refused', async (mode, poolSize) => {
    const url = await pooled(mode, poolSize);
    await expect(checkExternalDatabase(url)).rejects.toMatchObject({ code: 'TRANSACTION_POOLER' });
  });

  test('in session mode passes', async () => {
    await expect(checkExternalDatabase(await pooled('session', 20))).resolves.toBeUndefined();
  });
});
