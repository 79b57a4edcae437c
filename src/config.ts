import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { MIN_KEY_LENGTH, type Policy } from './core/index.ts';

/** Everything that can be set from outside, read once, checked wholly, and frozen. */
export interface Config {
  port: number;
  host: string;
  databaseUrl: string | undefined;
  /** Undefined: `./.offpeak`, or a stated fallback where PostgreSQL's user cannot reach it. */
  dataDir: string | undefined;
  operatorKey: string | undefined;
  /** Undefined: the emulator is started, and everything is marked as simulated. */
  anthropic: { apiKey: string; baseURL: string | undefined } | undefined;
  /** How much faster than a real provider the emulator is. */
  emulatorSpeed: number;
  /** The milliseconds between two turns of the worker's loops. */
  workerPace: number;
  /** The milliseconds between two reads of the event log. */
  feedInterval: number;
  logLevel: string;
  policy: Policy;
}

/** Several mistakes of the configuration, one a line. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

const duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'must be a duration such as 500ms, 15s, 10m, 24h or 2d')
  .transform((text) => {
    const [, amount, unit] = /^(\d+)(\D+)$/.exec(text)!;
    return Number(amount) * UNITS[unit!]!;
  });

/** A value, or `off` for none. */
const orOff = <T>(schema: z.ZodType<T, string>) =>
  z.string().transform((text, context): T | undefined => {
    if (text === 'off') return undefined;
    const read = schema.safeParse(text);
    if (read.success) return read.data;
    context.addIssue(`${read.error.issues[0]?.message}, or off`);
    return z.NEVER;
  });

const url = (protocols: RegExp, example: string) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.test(new URL(text).protocol),
      `must be a URL such as ${example}`,
    );

const environment = z.object({
  PORT: whole(0, 65_535).prefault('4000'),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: url(/^postgres(ql)?:$/, 'postgresql://user:password@host:5432/offpeak').optional(),
  OFFPEAK_DATA_DIR: z
    .string()
    .transform((path) => resolve(path))
    .optional(),
  OFFPEAK_OPERATOR_KEY: z
    .string()
    .min(MIN_KEY_LENGTH, `must have at least ${MIN_KEY_LENGTH} characters`)
    .optional(),
  ANTHROPIC_API_KEY: z.string().optional(),
  ANTHROPIC_BASE_URL: url(/^https?:$/, 'https://api.anthropic.com').optional(),
  OFFPEAK_DEDICATED_WORKSPACE: z.enum(['true', 'false'], 'must be true or false').default('false'),
  OFFPEAK_EMULATOR_SPEED: whole(1, 1_000_000).prefault('60'),
  OFFPEAK_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'], 'must be debug, info, warn, error or silent')
    .default('info'),
  OFFPEAK_WORKER_PACE: duration.prefault('500ms'),
  OFFPEAK_FEED_INTERVAL: duration.prefault('250ms'),
  OFFPEAK_PRIORITY_BOUND: duration.prefault('24h'),
  OFFPEAK_BATCH_MAX_REQUESTS: whole(1, 100_000).prefault('10000'),
  OFFPEAK_BATCH_MAX_BYTES: whole(100_000, 256_000_000).prefault('32000000'),
  OFFPEAK_FLUSH_COUNT: orOff(whole(1, 1_000_000)).prefault('1000'),
  OFFPEAK_FLUSH_AGE: orOff(duration).prefault('10m'),
  OFFPEAK_MAX_ATTEMPTS: whole(1, 100).prefault('3'),
  OFFPEAK_RETRY_DELAY: duration.prefault('1m'),
  OFFPEAK_POLL_INTERVAL: duration.prefault('30s'),
  OFFPEAK_POLL_BACKOFF: duration.prefault('10m'),
  OFFPEAK_INGEST_ROWS: whole(1, 10_000).prefault('500'),
  OFFPEAK_LEASE: duration.prefault('15s'),
  OFFPEAK_SUBMIT_TIMEOUT: duration.prefault('2m'),
  OFFPEAK_ABSENT_AFTER: duration.prefault('15m'),
});

/** The names of all variables, for the test that `.env.example` lists each. */
export const variables: readonly string[] = Object.keys(environment.shape);

/**
 * Reads the environment, after a file `.env` in the working directory if there is one (the environment wins). An empty
 * variable counts as not set. Throws ConfigError that names every mistake at once, never a value that may be secret.
 */
export function readConfig(env: NodeJS.ProcessEnv = readEnvironment()): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const read = environment.safeParse(given);
  if (!read.success) {
    const lines = read.error.issues.map((issue) => `  ${issue.path.join('.')} ${issue.message}`);
    throw new ConfigError(`The configuration has mistakes:\n${lines.join('\n')}`);
  }
  return Object.freeze(toConfig(read.data));
}

function readEnvironment(): NodeJS.ProcessEnv {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

function toConfig(env: z.infer<typeof environment>): Config {
  const simulated = !env.ANTHROPIC_API_KEY;
  return {
    port: env.PORT,
    host: env.HOST,
    databaseUrl: env.DATABASE_URL,
    dataDir: env.OFFPEAK_DATA_DIR,
    operatorKey: env.OFFPEAK_OPERATOR_KEY,
    anthropic: env.ANTHROPIC_API_KEY
      ? { apiKey: env.ANTHROPIC_API_KEY, baseURL: env.ANTHROPIC_BASE_URL }
      : undefined,
    emulatorSpeed: env.OFFPEAK_EMULATOR_SPEED,
    workerPace: env.OFFPEAK_WORKER_PACE,
    feedInterval: env.OFFPEAK_FEED_INTERVAL,
    logLevel: env.OFFPEAK_LOG_LEVEL,
    policy: Object.freeze({
      priorityBound: env.OFFPEAK_PRIORITY_BOUND,
      batchRequests: env.OFFPEAK_BATCH_MAX_REQUESTS,
      batchBytes: env.OFFPEAK_BATCH_MAX_BYTES,
      flushCount: env.OFFPEAK_FLUSH_COUNT,
      flushAge: env.OFFPEAK_FLUSH_AGE,
      maxAttempts: env.OFFPEAK_MAX_ATTEMPTS,
      retryDelay: env.OFFPEAK_RETRY_DELAY,
      // The emulator is asked more often, since its batches end in seconds.
      pollInterval: simulated ? Math.min(env.OFFPEAK_POLL_INTERVAL, 1000) : env.OFFPEAK_POLL_INTERVAL,
      pollBackoff: env.OFFPEAK_POLL_BACKOFF,
      ingestRows: env.OFFPEAK_INGEST_ROWS,
      lease: env.OFFPEAK_LEASE,
      submitTimeout: env.OFFPEAK_SUBMIT_TIMEOUT,
      absentAfter: env.OFFPEAK_ABSENT_AFTER,
      // Our own emulator serves nobody else.
      dedicatedWorkspace: simulated || env.OFFPEAK_DEDICATED_WORKSPACE === 'true',
    }),
  };
}
