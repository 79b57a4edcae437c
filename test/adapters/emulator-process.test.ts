import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { anthropicProvider } from '../../src/adapters/anthropic.ts';
import { attachEmulator, type EmulatorProcess } from '../../src/adapters/emulator-process.ts';
import { startEmulator, type Address } from '../../src/emulator/index.ts';

const main = fileURLToPath(new URL('../../src/emulator/main.ts', import.meta.url));

interface Place {
  dataDir: string;
  errors: string[];
  /** With another file than the emulator's, none can be started. */
  attach: (file?: string) => Promise<EmulatorProcess>;
  address: () => Promise<Address>;
  providerOf: (url: string) => ReturnType<typeof anthropicProvider>;
}

/** A data directory; whatever process runs on it is gone when the test ends. */
async function place(): Promise<Place> {
  const dataDir = await mkdtemp(join(tmpdir(), 'offpeak-attach-'));
  const attached: EmulatorProcess[] = [];
  const errors: string[] = [];
  const note = (_fields: object, message: string) => void errors.push(message);
  const log = { info() {}, warn() {}, error: note };
  const address = async () => JSON.parse(await readFile(join(dataDir, 'address.json'), 'utf8')) as Address;
  onTestFinished(async () => {
    const running = await address().catch(() => undefined);
    await Promise.all(attached.map((one) => one.close()));
    if (running) await gone(running.pid);
    await rm(dataDir, { recursive: true, force: true });
  });
  const attach = async (file = main) => {
    const one = await attachEmulator({ main: file, dataDir, speed: 1, log });
    attached.push(one);
    return one;
  };
  const providerOf = (url: string) => anthropicProvider({ apiKey: 'key', baseURL: url, submitTimeout: 5000 });
  return { dataDir, errors, attach, address, providerOf };
}

function gone(pid: number): Promise<void> {
  return vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(/ESRCH/), {
    timeout: 15_000,
    interval: 20,
  });
}

const body = Buffer.from('{"requests":[{"custom_id":"a","params":{}}]}');

test('several share one emulator, which ends when the last has left', async () => {
  const { attach, address } = await place();
  const [first, second] = await Promise.all([attach(), attach()]);
  expect(first!.url).toBe(second!.url);
  const { pid } = await address();
  await first!.close();
  expect((await fetch(`${second!.url}/emulator/health`)).status).toBe(200);
  await second!.close();
  await gone(pid);
});

test('one that is killed is started again at the same address, and knows its batches', async () => {
  const { attach, address, providerOf, errors } = await place();
  const { url } = await attach();
  const { id } = await providerOf(url).create(body);
  const { pid } = await address();
  process.kill(pid, 'SIGKILL');
  const again = await vi.waitFor(() => providerOf(url).retrieve(id), { timeout: 15_000, interval: 50 });
  expect(again.id).toBe(id);
  expect((await address()).pid).not.toBe(pid);
  expect(errors).toEqual([]);
});

test('an address left behind, where another emulator listens now, is not believed', async () => {
  const { attach, address, dataDir, providerOf } = await place();
  const first = await attach();
  const before = await address();
  process.kill(before.pid, 'SIGKILL');
  await first.close();
  await gone(before.pid);
  const stranger = await startEmulator();
  onTestFinished(() => stranger.close());
  await writeFile(join(dataDir, 'address.json'), JSON.stringify({ ...before, url: stranger.url }));
  const { url } = await attach();
  expect(url).not.toBe(stranger.url);
  expect(await providerOf(url).identity()).toBe(`simulated:${before.instanceId}`);
});

test('an address where something listens and says nothing holds up no start', async () => {
  const { attach, dataDir } = await place();
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => void sockets.add(socket.on('error', () => {}).resume()));
  mute.listen(0, '127.0.0.1');
  await once(mute, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
  const { port } = mute.address() as { port: number };
  const stale: Address = { pid: 1, url: `http://127.0.0.1:${port}`, instanceId: 'emu_gone' };
  await writeFile(join(dataDir, 'address.json'), JSON.stringify(stale));
  expect((await attach()).url).not.toBe(stale.url);
});

test('leaving while it is being started again is no failure', async () => {
  const { attach, address, errors, dataDir } = await place();
  const starter = await attach();
  const one = await attach(join(dataDir, 'no-emulator.ts'));
  const { pid } = await address();
  await starter.close();
  process.kill(pid, 'SIGKILL');
  const output = () => readFile(join(dataDir, 'emulator.log'), 'utf8');
  await vi.waitFor(async () => expect(await output()).toContain('no-emulator.ts'), { timeout: 15_000 });
  await one.close();
  expect(errors).toEqual([]);
});
