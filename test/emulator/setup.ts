import Anthropic from '@anthropic-ai/sdk';
import type { MessageBatch } from '@anthropic-ai/sdk/resources/messages/batches';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  startEmulator,
  type EmulatorOptions,
  type ResultLine,
  type RunningEmulator,
} from '../../src/emulator/index.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** Longer than any batch takes at speed 1. */
export const LONG_ENOUGH = 11 * MINUTE;

/** Starts an emulator that is closed when the test ends. */
export async function emulate(options: EmulatorOptions = {}): Promise<RunningEmulator> {
  const emulator = await startEmulator(options);
  onTestFinished(() => emulator.close());
  return emulator;
}

/** A folder that is removed when the test ends. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'emulator-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function clientOf({ url }: { url: string }, apiKey = 'key-one'): Anthropic {
  return new Anthropic({ apiKey, baseURL: url, maxRetries: 0 });
}

export type BatchRequest = Anthropic.Messages.Batches.BatchCreateParams.Request;

/** Requests `r-0`, `r-1`, …; `extra` is added to or replaces what their params hold. */
export function someRequests(count: number, extra: Record<string, unknown> = {}): BatchRequest[] {
  return Array.from({ length: count }, (_, i) => ({
    custom_id: `r-${i}`,
    params: {
      model: 'claude-sonnet-5',
      max_tokens: 1024,
      messages: [{ role: 'user', content: `Question ${i}: why is the sky blue?` }],
      ...extra,
    },
  }));
}

export async function allResults(client: Anthropic, id: string): Promise<ResultLine[]> {
  const lines: ResultLine[] = [];
  for await (const line of await client.messages.batches.results(id)) lines.push(line as ResultLine);
  return lines;
}

/** Creates a batch of these requests and runs it to its end. */
export async function runBatch(
  emulator: RunningEmulator,
  requests: BatchRequest[],
): Promise<{ client: Anthropic; batch: MessageBatch; results: Map<string, ResultLine['result']> }> {
  const client = clientOf(emulator);
  const { id } = await client.messages.batches.create({ requests });
  await emulator.advance(LONG_ENOUGH);
  const batch = await client.messages.batches.retrieve(id);
  const lines = await allResults(client, id);
  return { client, batch, results: new Map(lines.map((line) => [line.custom_id, line.result])) };
}

interface RawInit {
  method?: string;
  body?: string;
  headers?: Record<string, string>;
}

/** A request as curl would send it, for what the SDK would not. */
export function raw(url: string, path: string, init: RawInit = {}): Promise<Response> {
  const headers = { 'x-api-key': 'key-one', 'anthropic-version': '2023-06-01', ...init.headers };
  return fetch(url + path, { ...init, headers });
}

export function control(url: string, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${url}/emulator/${path}`, { method, body: body === undefined ? null : JSON.stringify(body) });
}

export async function bodyOf<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}
