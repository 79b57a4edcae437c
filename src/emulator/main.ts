import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DataDirInUseError, startEmulator, type EmulatorOptions, type RunningEmulator } from './index.ts';

/** Exit code when another emulator serves the data directory. */
const IN_USE = 3;
/** A signal must end the process within a second, whatever is still being written. */
const PATIENCE_MS = 800;

/**
 * Runs an emulator until a signal or the last user leaves. Returns the exit code: 0 after a clean
 * end, 2 for wrong arguments, 3 if the data directory is taken.
 */
export async function runEmulator(argv: string[]): Promise<number> {
  let running: RunningEmulator;
  try {
    running = await startEmulator(readOptions(argv));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`${error.message}\n`);
    if (error instanceof DataDirInUseError) return IN_USE;
    return error instanceof TypeError ? 2 : 1;
  }
  process.stdout.write(`Message Batches emulator ${running.instanceId} at ${running.url}\n`);
  const stop = () => {
    setTimeout(() => process.exit(0), PATIENCE_MS).unref();
    void running.close();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await running.closed;
  process.off('SIGTERM', stop);
  process.off('SIGINT', stop);
  return 0;
}

function readOptions(argv: string[]): EmulatorOptions {
  const { values } = parseArgs({
    args: argv,
    options: {
      port: { type: 'string', default: '0' },
      host: { type: 'string', default: '127.0.0.1' },
      data: { type: 'string' },
      speed: { type: 'string' },
      seed: { type: 'string' },
      'exit-when-detached': { type: 'string' },
    },
  });
  return {
    port: number('port', values.port, 0),
    host: values.host,
    ...(values.data !== undefined && { dataDir: values.data }),
    ...(values.speed !== undefined && { speed: number('speed', values.speed, Number.MIN_VALUE) }),
    ...(values.seed !== undefined && { seed: number('seed', values.seed, 0) }),
    ...(values['exit-when-detached'] !== undefined && {
      exitWhenDetachedMs: number('exit-when-detached', values['exit-when-detached'], 0),
    }),
  };
}

function number(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < least) {
    throw new TypeError(`--${name}: not a usable number: ${text}`);
  }
  return value;
}

const started = process.argv[1];
if (started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url)) {
  process.exitCode = await runEmulator(process.argv.slice(2));
}
