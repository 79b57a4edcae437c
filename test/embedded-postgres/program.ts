import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach } from 'vitest';
import type { Connection } from '../../src/adapters/embedded-postgres.ts';

export const isRoot = process.getuid?.() === 0;

/** Whether a program of this checkout can run as another user: as root, and if every folder above lets others pass. */
export const canRunAsOthers =
  isRoot && foldersAbove(import.meta.dirname).every((folder) => statSync(folder).mode & 0o001);

function foldersAbove(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...foldersAbove(above)];
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const programs: Program[] = [];
const folders: string[] = [];
const undone: (() => unknown)[] = [];

interface Message {
  log?: string;
  ready?: { joined: boolean; connection: Connection };
  failed?: { code?: string; message: string };
  acknowledged?: number;
  closed?: true;
}

export interface ProgramOptions {
  fsync?: boolean;
  uid?: number;
  env?: NodeJS.ProcessEnv;
  /** Another copy of src/adapters/embedded-postgres.ts and of member.ts. */
  checkout?: string;
}

/** A child process that uses the embedded server of a data directory. */
export class Program {
  readonly child: ChildProcess;
  readonly messages: Message[] = [];

  constructor(dataDir: string, options: ProgramOptions = {}) {
    const { fsync = false, uid, env, checkout } = options;
    const member = checkout === undefined ? here('./member.ts') : join(checkout, 'test/member.ts');
    const entry =
      checkout === undefined
        ? here('../../src/adapters/embedded-postgres.ts')
        : join(checkout, 'src/embedded-postgres.ts');
    const identity = uid === undefined ? {} : { uid, gid: uid };
    const argument = JSON.stringify({ entry, options: { dataDir, fsync } });
    this.child = fork(member, [argument], {
      ...identity,
      cwd: '/',
      env: { ...process.env, ...env },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child.on('message', (message: Message) => this.messages.push(message));
    programs.push(this);
  }

  /** Resolves with the first message that has this part; fails when the program ends without it. */
  async said<K extends keyof Message>(key: K, wanted?: Message[K]): Promise<NonNullable<Message[K]>> {
    for (;;) {
      const found = this.messages.find(
        (one) => one[key] !== undefined && (wanted === undefined || one[key] === wanted),
      );
      if (found?.[key] !== undefined) return found[key];
      if (!this.child.connected) throw new Error(`the program ended after ${JSON.stringify(this.messages)}`);
      await Promise.race([once(this.child, 'message'), once(this.child, 'disconnect')]);
    }
  }

  async write(rows: number): Promise<void> {
    this.child.send({ write: rows });
    await this.said('acknowledged', rows);
  }

  async close(): Promise<void> {
    this.child.send({ close: true });
    await this.said('closed');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

/** An empty folder that everybody may pass through; the servers started below it are ended after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'offpeak-embedded-')));
  await chmod(folder, 0o755);
  folders.push(folder);
  return folder;
}

/** The postgres servers (not their children) that work below a folder. */
export async function serversBelow(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const command = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (command[0]?.endsWith('/postgres') && command.some((part) => part.startsWith(folder + '/')))
      found.push(Number(name));
  }
  return found;
}

/** Waits for something that happens by itself; fails after 20 seconds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !(await condition()); await sleep(10)) {
    if (Date.now() > deadline) throw new Error('it did not happen within 20 seconds');
  }
}

/** As a power loss would: with the postmaster its other processes end, too. A member may start another server. */
export async function killServers(folder: string): Promise<void> {
  const killed = await serversBelow(folder);
  for (const pid of killed) process.kill(pid, 'SIGKILL');
  await until(async () => !(await serversBelow(folder)).some((pid) => killed.includes(pid)));
}

export async function query<Row extends object>(connection: Connection, sql: string): Promise<Row[]> {
  const client = new Client(connection);
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

export async function countKept(connection: Connection): Promise<number> {
  const [row] = await query<{ n: number }>(connection, 'SELECT count(*)::int AS n FROM kept');
  return row?.n ?? Number.NaN;
}

/** Runs after the test and before its servers and folders go: `onTestFinished` would come too late. */
export function atEnd(action: () => unknown): void {
  undone.unshift(action);
}

afterEach(async () => {
  for (const action of undone.splice(0)) await action();
  await Promise.all(programs.splice(0).map((program) => program.kill()));
  for (const folder of folders.splice(0)) {
    await killServers(folder);
    await rm(folder, { recursive: true, force: true });
  }
});
