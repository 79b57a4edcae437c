import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig, type Config } from '../../config.ts';
import type { Program } from '../../main.ts';
import { DemoFailure } from './failure.ts';

/** The speed at which the emulator ends a batch in 2.5 to 10 seconds; a faster one may be set. */
const SPEED = 60;

/** The configuration that the user has, and what the demo makes of it. */
export function configure(real: boolean): { given: Config; used: Config } {
  const given = readConfig();
  const quiet = { ...given, host: '127.0.0.1', port: 0, logLevel: 'error' };
  if (real) {
    if (given.anthropic) return { given, used: quiet };
    throw new DemoFailure(
      '--real runs the examples at Anthropic, which needs ANTHROPIC_API_KEY; none is set. Without --real the emulator answers, and nothing is billed.',
    );
  }
  const { policy } = given;
  const used: Config = {
    ...quiet,
    anthropic: undefined,
    emulatorSpeed: Math.max(given.emulatorSpeed, SPEED),
    policy: {
      ...policy,
      // As without a key: our own emulator ends batches within seconds, and serves nobody else.
      pollInterval: Math.min(policy.pollInterval, 1000),
      dedicatedWorkspace: true,
      // Jobs that wait here for a real provider must not get made-up answers: only the demo's own flush seals batches.
      flushCount: undefined,
      flushAge: undefined,
    },
  };
  return { given, used };
}

/**
 * A key that may do everything: the one just made, else the configured one, which the start has stored, else the one
 * that an earlier start left in its file. (A file may be older than the database that DATABASE_URL names.)
 */
export async function operatorKey(config: Config, { newKey, dataDir }: Program): Promise<string> {
  if (newKey) return newKey.token;
  if (config.operatorKey) return config.operatorKey;
  const file = keyFile(dataDir);
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new DemoFailure(
      `The demo needs an operator key, and ${file} cannot be read. Set OFFPEAK_OPERATOR_KEY: every start stores it.`,
      { cause },
    );
  }
}

/** Where the first key of an embedded database is kept. */
export function keyFile(dataDir: string): string {
  return join(dataDir, 'operator-key');
}
