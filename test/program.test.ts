import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { ConfigError, readConfig } from '../src/config.ts';
import { start, type Program } from '../src/main.ts';
import { processesOf, until } from './crash/program.ts';
import { cloneDatabase } from './harness/database.ts';

const run = promisify(execFile);
const offpeak = new URL('../bin/offpeak.js', import.meta.url).pathname;

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'offpeak-program-'));
  await chmod(dataDir, 0o711);
});
afterEach(async () => {
  await until('no process is left over', async () => (await processesOf(dataDir)).length === 0);
  await rm(dataDir, { recursive: true, force: true });
});

const config = (env: NodeJS.ProcessEnv = {}) =>
  readConfig({ PORT: '0', OFFPEAK_DATA_DIR: dataDir, OFFPEAK_LOG_LEVEL: 'silent', ...env });
const both = { http: true, worker: true };

async function statusOf({ url }: Program, key: string): Promise<number> {
  const response = await fetch(`${url}/api/v1/batch/stats`, { headers: { authorization: `Bearer ${key}` } });
  await response.body?.cancel();
  return response.status;
}

describe('the first operator key', () => {
  test('is made at the first start, shown once, and kept for the owner alone', async () => {
    const first = await start(config(), both);
    const { token } = first.newKey!;
    expect(await statusOf(first, token)).toBe(200);
    expect(await statusOf(first, `${token}x`)).toBe(401);
    await first.close();
    expect(await readFile(join(dataDir, 'operator-key'), 'utf8')).toBe(`${token}\n`);
    expect((await stat(join(dataDir, 'operator-key'))).mode & 0o777).toBe(0o600);

    const second = await start(config(), both);
    expect(second.newKey).toBeUndefined();
    expect(await statusOf(second, token)).toBe(200);
    await second.close();
  });

  test('can be chosen by the environment, and a changed one replaces it', async () => {
    const [old, changed] = ['o'.repeat(32), 'c'.repeat(32)];
    const first = await start(config({ OFFPEAK_OPERATOR_KEY: old }), both);
    expect(first.newKey).toBeUndefined();
    expect(await statusOf(first, old)).toBe(200);
    await first.close();
    const second = await start(config({ OFFPEAK_OPERATOR_KEY: changed }), both);
    expect([await statusOf(second, old), await statusOf(second, changed)]).toEqual([401, 200]);
    await second.close();
  });

  test('is never stored itself', async () => {
    const key = 'k'.repeat(40);
    const program = await start(config({ OFFPEAK_OPERATOR_KEY: key }), both);
    await program.close();
    const { stdout } = await run('grep', ['-rlF', key, dataDir]).catch(
      ({ stdout: none }: { stdout: string }) => ({ stdout: none }),
    );
    expect(stdout).toBe('');
  });
});

describe('a database of the user', () => {
  let url: string;
  let drop: () => Promise<void>;
  beforeEach(async () => {
    const clone = await cloneDatabase();
    const { host, port, user, password } = inject('cluster');
    url = `postgresql://${user}:${password}@localhost:${port}/${clone.connection.database}?host=${encodeURIComponent(host)}`;
    ({ drop } = clone);
  });
  afterEach(() => drop());

  test('needs a key before anything starts, and says how to make one', async () => {
    const starting = start(config({ DATABASE_URL: url }), both);
    await expect(starting).rejects.toThrow(ConfigError);
    await expect(starting).rejects.toThrow(/OFFPEAK_OPERATOR_KEY.*keys create/);
  });

  test('is used as it is: no other is started, and a key made by the command line opens it', async () => {
    const env = { ...process.env, DATABASE_URL: url, OFFPEAK_DATA_DIR: dataDir };
    const made = await run(
      process.execPath,
      [offpeak, 'keys', 'create', '--name', 'test', '--scopes', 'jobs:read'],
      { env },
    );
    const program = await start(config({ DATABASE_URL: url }), both);
    expect(await statusOf(program, made.stdout.trim())).toBe(200);
    expect((await processesOf(dataDir)).filter((line) => line.includes('postgres -D'))).toEqual([]);
    await program.close();
  });
});

test('a second process joins database and emulator, and the last to leave ends both', async () => {
  const first = await start(config(), both);
  const second = await start(config(), { http: true, worker: false });
  const { token } = first.newKey!;
  expect(await statusOf(second, token)).toBe(200);
  const servers = (await processesOf(dataDir)).filter((line) => /postgres -D|emulator\/main/.test(line));
  expect(servers).toHaveLength(2);
  await first.close();
  expect(await statusOf(second, token)).toBe(200);
  await second.close();
});

test('what cannot start leaves nothing running', async () => {
  const first = await start(config(), both);
  const port = new URL(first.url!).port;
  await expect(start(config({ PORT: port }), both)).rejects.toThrow(/is taken/);
  await first.close();
});

describe('the command line', () => {
  test('names every command in its help', async () => {
    const { stdout } = await run(process.execPath, [offpeak, '--help']);
    for (const command of ['serve', 'worker', 'migrate', 'keys', 'demo', 'emulator'])
      expect(stdout).toContain(command);
  });

  test('reports every mistake of the configuration and ends with 1', async () => {
    const env = { ...process.env, PORT: 'x', OFFPEAK_LEASE: 'y' };
    const failed = (await run(process.execPath, [offpeak, 'serve'], { env }).catch(
      (error: unknown) => error,
    )) as {
      code: number;
      stderr: string;
    };
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/PORT must be .*\n.*OFFPEAK_LEASE must be a duration/);
  });

  test('refuses scopes that do not exist', async () => {
    const failed = (await run(process.execPath, [
      offpeak,
      'keys',
      'create',
      '--name',
      'x',
      '--scopes',
      'root',
    ]).catch((error: unknown) => error)) as { stderr: string };
    expect(failed.stderr).toContain('Unknown scope root; there are jobs:read, jobs:write, operator, admin.');
  });

  test('migrates a database, and says so when there is nothing to do', async () => {
    const env = { ...process.env, OFFPEAK_DATA_DIR: dataDir };
    expect((await run(process.execPath, [offpeak, 'migrate'], { env })).stdout).toContain('Applied 2');
    expect((await run(process.execPath, [offpeak, 'migrate'], { env })).stdout).toContain('up to date');
  });
});
