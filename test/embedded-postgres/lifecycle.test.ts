import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres.ts';
import {
  countKept,
  isRoot,
  killServers,
  Program,
  query,
  serversBelow,
  temporaryFolder,
  until,
} from './program.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

describe('starting', () => {
  test('the second start finds what the first one wrote', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const first = await startEmbeddedPostgres({ dataDir });
    expect(first.joined).toBe(false);
    await query(first.connection, 'CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n');
    await first.close();

    const second = await startEmbeddedPostgres({ dataDir });
    expect(second.joined).toBe(false);
    expect(await countKept(second.connection)).toBe(1000);
    await second.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });

  test('the server is durable, checks its pages, speaks UTF8 and has no TCP port', async () => {
    const server = await startEmbeddedPostgres({ dataDir: join(await temporaryFolder(), 'data') });
    const [settings] = await query(
      server.connection,
      `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
              current_setting('data_checksums') AS checksums, current_setting('server_encoding') AS encoding,
              current_setting('listen_addresses') AS addresses, inet_server_addr() AS address,
              (SELECT datlocale FROM pg_database WHERE datname = 'offpeak') AS locale`,
    );
    expect(settings).toEqual({
      fsync: 'on',
      commit: 'on',
      checksums: 'on',
      encoding: 'UTF8',
      addresses: '',
      address: null,
      locale: 'C.UTF-8',
    });
    await server.close();
  });

  test('the socket asks for the password, also from the user the server runs as', async () => {
    const server = await startEmbeddedPostgres({
      dataDir: join(await temporaryFolder(), 'data'),
      fsync: false,
    });
    const entering = query({ ...server.connection, password: 'wrong' }, 'SELECT 1');
    await expect(entering).rejects.toMatchObject({ code: '28P01' });
    await server.close();
  });

  test('the connection string leads to the same database', async () => {
    const options = { dataDir: join(await temporaryFolder(), 'data'), fsync: false, database: 'odd "näme"' };
    const server = await startEmbeddedPostgres(options);
    const { Client } = await import('pg');
    const client = new Client({ connectionString: server.connectionString });
    await client.connect();
    expect((await client.query('SELECT current_database() AS name')).rows).toEqual([{ name: 'odd "näme"' }]);
    await client.end();
    await server.close();
  });

  test('two programs that start at once on an empty directory share one server', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const programs = [new Program(dataDir), new Program(dataDir), new Program(dataDir)];
    const ready = await Promise.all(programs.map((program) => program.said('ready')));
    expect(ready.filter(({ joined }) => !joined)).toHaveLength(1);
    expect(await serversBelow(dataDir)).toHaveLength(1);
    await Promise.all(programs.map((program) => program.write(20)));
    expect(await countKept(ready[0]!.connection)).toBe(60);
    await Promise.all(programs.map((program) => program.close()));
    expect(await serversBelow(dataDir)).toEqual([]);
    expect(await readdir(join(dataDir, 'postgres'))).toEqual(['cluster', 's']);
  });

  test('what a killed first start left behind is removed', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const gone = spawn('true');
    await once(gone, 'exit');
    await mkdir(join(dataDir, `postgres/init-${gone.pid}-00000000`), { recursive: true });
    await writeFile(join(dataDir, `postgres/init-${gone.pid}-00000000.password`), 'left');
    const server = await startEmbeddedPostgres({ dataDir, fsync: false });
    expect(await readdir(join(dataDir, 'postgres'))).toEqual(['cluster', 's']);
    await server.close();
  });
});

describe('surviving', () => {
  test('after a kill of the program the next start joins its server, and the rows are there', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const killed = new Program(dataDir);
    await killed.said('ready');
    await killed.write(100);
    const before = await serversBelow(dataDir);
    await killed.kill();

    const server = await startEmbeddedPostgres({ dataDir, fsync: false });
    expect(server.joined).toBe(true);
    expect(await serversBelow(dataDir)).toEqual(before);
    expect(await countKept(server.connection)).toBe(100);
    await server.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });

  test('after a kill of program and server every acknowledged row is there', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const killed = new Program(dataDir, { fsync: true });
    await killed.said('ready');
    killed.child.send({ write: 100_000 });
    await killed.said('acknowledged', 200);
    await killServers(dataDir);
    await killed.kill();
    const acknowledged = killed.messages.filter((message) => message.acknowledged !== undefined).length;

    const server = await startEmbeddedPostgres({ dataDir });
    expect(server.joined).toBe(false);
    expect(await countKept(server.connection)).toBeGreaterThanOrEqual(acknowledged);
    await server.close();
  });

  test('several programs that start at once after a power loss share one server', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    for (let round = 0; round < 3; round++) {
      const programs = [1, 2, 3].map(() => new Program(dataDir, { fsync: true }));
      await Promise.all(programs.map((program) => program.said('ready')));
      expect(await serversBelow(dataDir)).toHaveLength(1);
      await Promise.all(programs.map((program) => program.write(5)));
      await killServers(dataDir);
      await Promise.all(programs.map((program) => program.kill()));
      await killServers(dataDir);
    }
    const server = await startEmbeddedPostgres({ dataDir, fsync: false });
    expect(server.joined).toBe(false);
    expect(await countKept(server.connection)).toBeGreaterThan(0);
    await server.close();
  });

  test('a stale pid file whose number now belongs to another program does not prevent the start', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const killed = new Program(dataDir, { fsync: true });
    await killed.said('ready');
    await killed.write(10);
    await killServers(dataDir);
    await killed.kill();
    await killServers(dataDir);
    // Of the server's own user, because PostgreSQL disregards the processes of others by itself.
    const other = spawn('sleep', ['600'], isRoot ? { uid: 65534, gid: 65534, cwd: '/' } : {});
    const pidFile = join(dataDir, 'postgres/cluster/postmaster.pid');
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await writeFile(pidFile, [other.pid, ...lines.slice(1)].join('\n'));
    try {
      const server = await startEmbeddedPostgres({ dataDir, fsync: false });
      expect(await countKept(server.connection)).toBe(10);
      await server.close();
      expect(other.exitCode).toBeNull();
    } finally {
      other.kill();
    }
  });

  test('a member whose server is killed starts it again, and says so', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const lines: string[] = [];
    const server = await startEmbeddedPostgres({ dataDir, log: (line) => lines.push(line) });
    await query(server.connection, 'CREATE TABLE kept AS SELECT 1 AS n');
    await killServers(dataDir);
    await until(async () => lines.includes('PostgreSQL was started again'));
    expect(lines).toContain('the connection to PostgreSQL was lost; joining again');
    expect(await countKept(server.connection)).toBe(1);
    await server.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });

  test('a member whose connection is cut joins again without another server', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const lines: string[] = [];
    const server = await startEmbeddedPostgres({ dataDir, fsync: false, log: (line) => lines.push(line) });
    const before = await serversBelow(dataDir);
    const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'offpeak member'`;
    await query(server.connection, cut);
    await until(async () => lines.includes('joined PostgreSQL again'));
    expect(await serversBelow(dataDir)).toEqual(before);
    await server.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });

  test('leaving while the server is lost leaves none behind', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const server = await startEmbeddedPostgres({ dataDir, fsync: false });
    await killServers(dataDir);
    await server.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });

  test('a server whose data directory was removed is stopped all the same', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const server = await startEmbeddedPostgres({ dataDir, fsync: false });
    await rm(dataDir, { recursive: true });
    await server.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });
});

describe('leaving', () => {
  test('the server stays until the last one leaves', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const first = await startEmbeddedPostgres({ dataDir, fsync: false });
    const second = new Program(dataDir);
    expect((await second.said('ready')).joined).toBe(true);
    await first.close();
    await second.write(5);
    expect(await serversBelow(dataDir)).toHaveLength(1);
    await second.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });

  test('of several that leave at once one stops the server', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    for (let round = 0; round < 5; round++) {
      const starting = Array.from({ length: 4 }, () => startEmbeddedPostgres({ dataDir, fsync: false }));
      const members = await Promise.all(starting);
      await Promise.all(members.map((member) => member.close()));
      expect(await serversBelow(dataDir)).toEqual([]);
    }
  });

  test('who comes while the last one leaves gets a working server', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    let member = await startEmbeddedPostgres({ dataDir, fsync: false });
    for (let round = 0; round < 10; round++) {
      const leaving = member.close();
      member = await startEmbeddedPostgres({ dataDir, fsync: false });
      await leaving;
      expect(await query(member.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    }
    await member.close();
    expect(await serversBelow(dataDir)).toEqual([]);
  });

  test('leaving twice is leaving once', async () => {
    const server = await startEmbeddedPostgres({
      dataDir: join(await temporaryFolder(), 'data'),
      fsync: false,
    });
    const leavings = await Promise.allSettled([server.close(), server.close()]);
    expect(leavings.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    await expect(server.close()).resolves.toBeUndefined();
  });

  test.skipIf(process.platform !== 'linux')('Ctrl-C in our terminal does not reach the server', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const server = await startEmbeddedPostgres({ dataDir, fsync: false });
    const [pid] = await serversBelow(dataDir);
    const groupAndSession = async (of: string) => {
      const fields = (await readFile(`/proc/${of}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
      return { group: fields[2], session: fields[3] };
    };
    const ours = await groupAndSession('self');
    const its = await groupAndSession(String(pid));
    expect(its).toEqual({ group: String(pid), session: String(pid) });
    expect(its).not.toEqual(ours);
    await server.close();
  });
});
