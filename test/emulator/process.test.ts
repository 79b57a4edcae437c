import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { DataDirInUseError, readAddress } from '../../src/emulator/index.ts';
import {
  bodyOf,
  clientOf,
  control,
  emulate,
  LONG_ENOUGH,
  raw,
  scratchFolder,
  someRequests,
} from './setup.ts';

const MAIN = fileURLToPath(new URL('../../src/emulator/main.ts', import.meta.url));

function launch(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

/** Starts a process and waits for the line with its URL. */
async function start(...args: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = launch(...args);
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { child, url: /http:\S+/.exec(line)?.[0] ?? '' };
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<[number | null, string | null]> {
  child.kill(signal);
  return (await once(child, 'exit')) as [number | null, string | null];
}

async function resultBytes(url: string, id: string): Promise<string> {
  const response = await raw(url, `/v1/messages/batches/${id}/results`);
  expect(response.status).toBe(200);
  return response.text();
}

test('after kill -9 every batch is still there, with the same results to the byte', async () => {
  const data = scratchFolder();
  const first = await start('--data', data, '--seed', '3');
  const client = clientOf(first);
  const done = await client.messages.batches.create({ requests: someRequests(30) });
  const gone = await client.messages.batches.create({ requests: someRequests(2) });
  await control(first.url, 'POST', 'clock', { advanceMs: LONG_ENOUGH });
  await client.messages.batches.delete(gone.id);
  const canceled = await client.messages.batches.create({ requests: someRequests(30) });
  await control(first.url, 'POST', 'clock', { advanceMs: 210_000 });
  await client.messages.batches.cancel(canceled.id);
  const running = await client.messages.batches.create({ requests: someRequests(2) });
  const before = await client.messages.batches.retrieve(done.id);
  const bytes = await resultBytes(first.url, done.id);
  await stop(first.child, 'SIGKILL');

  const second = await start('--data', data);
  const again = clientOf(second);
  const { results_url: _, ...same } = before;
  expect(await again.messages.batches.retrieve(done.id)).toMatchObject(same);
  expect(await resultBytes(second.url, done.id)).toBe(bytes);
  expect((await again.messages.batches.retrieve(canceled.id)).processing_status).toBe('canceling');
  expect((await again.messages.batches.retrieve(running.id)).processing_status).toBe('in_progress');
  const listed = (await again.messages.batches.list()).data.map((batch) => batch.id);
  expect(listed).toEqual([running.id, canceled.id, done.id]);
  await control(second.url, 'POST', 'clock', { advanceMs: LONG_ENOUGH });
  const ended = await again.messages.batches.retrieve(canceled.id);
  expect(ended.request_counts.succeeded).toBeGreaterThan(0);
  expect(ended.request_counts.canceled).toBeGreaterThan(0);
  const accepted = await bodyOf<{ data: { id: string }[] }>(await control(second.url, 'GET', 'accepted'));
  expect(accepted.data.map((batch) => batch.id)).toEqual([done.id, gone.id, canceled.id, running.id]);
  const logged = await bodyOf<{ data: { route: string }[] }>(await control(second.url, 'GET', 'requests'));
  expect(logged.data.filter((entry) => entry.route === 'create')).toHaveLength(4);
});

test('a last journal line cut off by a crash is dropped, and so are requests of a batch never accepted', async () => {
  const dataDir = scratchFolder();
  const first = await emulate({ dataDir });
  const { id } = await clientOf(first).messages.batches.create({ requests: someRequests(2) });
  await first.close();
  appendFileSync(join(dataDir, 'journal.jsonl'), '{"kind":"accepted","id":"msgbat');
  appendFileSync(join(dataDir, 'requests.jsonl'), '{"time":"2026');
  writeFileSync(join(dataDir, 'batches', 'msgbatch_orphan.jsonl'), '{"custom');
  const second = await emulate({ dataDir });
  const client = clientOf(second);
  expect((await client.messages.batches.retrieve(id)).request_counts.processing).toBe(2);
  expect(existsSync(join(dataDir, 'batches', 'msgbatch_orphan.jsonl'))).toBe(false);
  await client.messages.batches.create({ requests: someRequests(1) });
  await second.close();
  const third = await emulate({ dataDir });
  expect(third.accepted()).toHaveLength(2);
  expect(third.requests().map((entry) => entry.route)).toEqual(['create', 'retrieve', 'create']);
});

test('identity, workspaces, clock and settings outlive a restart', async () => {
  const dataDir = scratchFolder();
  const first = await emulate({ dataDir, speed: 4 });
  const workspace = (await raw(first.url, '/v1/messages/batches')).headers.get('anthropic-workspace-id');
  await first.advance(1e9);
  await first.settings({ speed: 9, resultsDelayMs: 2 });
  await first.close();
  const second = await emulate({ dataDir });
  expect(second.instanceId).toBe(first.instanceId);
  const response = await raw(second.url, '/v1/messages/batches');
  expect(response.headers.get('anthropic-workspace-id')).toBe(workspace);
  const health = await bodyOf<{ speed: number; now: string }>(await control(second.url, 'GET', 'health'));
  expect(health.speed).toBe(9);
  expect(Date.parse(health.now)).toBeGreaterThan(Date.now() + 9e8);
});

test('a data directory serves one emulator at a time, and is free again after a kill -9', async () => {
  const data = scratchFolder();
  const first = await start('--data', data);
  const rival = launch('--data', data);
  const complaint = text(rival.stderr!);
  expect(await once(rival, 'exit')).toEqual([3, null]);
  expect(await complaint).toContain(first.url);
  await expect(emulate({ dataDir: data })).rejects.toThrow(DataDirInUseError);
  expect(readAddress(data)?.url).toBe(first.url);
  await stop(first.child, 'SIGKILL');
  const second = await start('--data', data);
  expect(readAddress(data)).toMatchObject({ pid: second.child.pid, url: second.url });
});

test.for(['SIGTERM', 'SIGINT'] as const)(
  '%s ends the process with code 0, attached or not',
  async (signal) => {
    const data = scratchFolder();
    const { child, url } = await start('--data', data);
    const attached = await control(url, 'GET', 'attach');
    expect(await stop(child, signal)).toEqual([0, null]);
    expect(readAddress(data)).toBeUndefined();
    await attached.text().catch(() => undefined);
  },
);

test('the process ends by itself when its last user is gone, however that ended', async () => {
  const data = scratchFolder();
  const { child, url } = await start('--data', data, '--exit-when-detached', '2000');
  const script = `fetch('${url}/emulator/attach').then(async (r) => { for await (const _ of r.body) console.log('on') })`;
  const user = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(user.stdout, 'data');
  user.kill('SIGKILL');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(existsSync(join(data, 'address.json'))).toBe(false);
});

test('the process ends by itself when nobody ever attaches', async () => {
  const child = launch('--exit-when-detached', '100');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('an attached user keeps the emulator open', async () => {
  const emulator = await emulate({ exitWhenDetachedMs: 1000 });
  const leaving = new AbortController();
  const response = await fetch(`${emulator.url}/emulator/attach`, { signal: leaving.signal });
  const first = await response.body!.getReader().read();
  expect(new TextDecoder().decode(first.value)).toBe('\n');
  leaving.abort();
  await emulator.closed;
});

test('wrong arguments end the process with a message', async () => {
  const child = launch('--speed', 'fast');
  const complaint = text(child.stderr!);
  expect(await once(child, 'exit')).toEqual([2, null]);
  expect(await complaint).toContain('--speed');
});
