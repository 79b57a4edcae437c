import type { Accepted } from './batches.ts';
import { DataDir } from './data-dir.ts';
import { Emulator, type Settings } from './emulator.ts';
import type { Fault } from './faults.ts';
import type { OutcomeRule } from './outcomes.ts';
import type { LoggedRequest } from './request-log.ts';
import { EmulatorServer } from './server.ts';

export { readAddress, type Address } from './data-dir.ts';
export { DataDirInUseError } from './errors.ts';
export type { Accepted } from './batches.ts';
export type { Settings } from './emulator.ts';
export type { Fault, FaultAction, FaultRoute } from './faults.ts';
export type { LoggedRequest } from './request-log.ts';
export type { Outcome, OutcomeRule } from './outcomes.ts';
export type { MessageBatch, ResultLine } from './wire.ts';

export interface EmulatorOptions {
  /** TCP port; 0, the default, takes a free one. */
  port?: number;
  /** Address to listen on. Default 127.0.0.1: anybody who reaches the port may use it. */
  host?: string;
  /** Folder that keeps batches, journal and request log. Without it they are gone after close(). */
  dataDir?: string;
  /** Divides the time requests take, not the 24 h window nor the 29 days. Above 0. Default: the last one used with this data directory, else 1. */
  speed?: number;
  /** Decides answers, durations and order of results. Default: the last one used with this data directory, else 1. */
  seed?: number;
  /** Faults to begin with; see addFaults. */
  faults?: Fault[];
  /** Outcome rules to begin with; see addOutcomes. */
  outcomes?: OutcomeRule[];
  /** Closes the emulator when nobody has been attached for that many milliseconds, counted from the start as well. Default: never. */
  exitWhenDetachedMs?: number;
  /** Largest body of a create, in bytes. Default 256,000,000, the provider's limit. */
  maxBodyBytes?: number;
}

/** A running emulator. */
export interface RunningEmulator {
  url: string;
  instanceId: string;
  /** Resolves when the emulator has closed, whoever closed it. */
  closed: Promise<void>;
  /** Cuts every connection, writes what is left to write, and gives the data directory back. */
  close(): Promise<void>;
  /** Every batch ever accepted, oldest first, deleted ones included. */
  accepted(): Accepted[];
  /** Every request to the provider's routes, oldest first. */
  requests(): LoggedRequest[];
  /** Moves the emulator's clock forward by that many milliseconds. */
  advance(ms: number): Promise<void>;
  settings(settings: Settings): Promise<void>;
  /** Arms faults. Their calls are counted from now on. */
  addFaults(faults: Fault[]): void;
  /** Adds rules that decide requests of batches accepted from now on. */
  addOutcomes(rules: OutcomeRule[]): void;
}

/** Starts an emulator of the Message Batches API. Throws DataDirInUseError if another one serves the data directory. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<RunningEmulator> {
  const dir = new DataDir(options.dataDir);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const emulator = await open(dir, options);
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= server.close().then(resolve));
  const server = new EmulatorServer(emulator, options.exitWhenDetachedMs, () => void close());
  const url = await server
    .listen(options.port ?? 0, options.host ?? '127.0.0.1')
    .catch(async (error: unknown) => {
      await close();
      throw error;
    });
  dir.announce(url);
  return {
    url,
    instanceId: dir.instanceId,
    closed,
    close,
    accepted: () => [...emulator.batches.accepted()],
    requests: () => emulator.log.read(),
    advance: (ms) => emulator.advance(ms),
    settings: (settings) => emulator.configure(settings),
    addFaults: (faults) => emulator.faults.add(faults),
    addOutcomes: (rules) => emulator.rules.add(rules),
  };
}

async function open(
  dir: DataDir,
  { speed, seed, faults = [], outcomes = [], maxBodyBytes = 256_000_000 }: EmulatorOptions,
): Promise<Emulator> {
  try {
    const emulator = await Emulator.open(dir, { speed, seed, maxBodyBytes });
    emulator.faults.add(faults);
    emulator.rules.add(outcomes);
    return emulator;
  } catch (error) {
    dir.release();
    throw error;
  }
}
