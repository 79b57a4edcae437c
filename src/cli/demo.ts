import { isAbsolute, relative } from 'node:path';
import { styleText } from 'node:util';
import type { Config } from '../config.ts';
import { heading, meaning, title } from './demo/display.ts';
import { DemoFailure } from './demo/failure.ts';
import type { Model } from './demo/model.ts';
import { checkLines, resultLines, savedLine, statsLines } from './demo/report.ts';
import { runDemo, type Outcome } from './demo/run.ts';
import { openScreen } from './demo/screen.ts';
import { configure, keyFile } from './demo/server.ts';
import { unfinished } from './demo/stage.ts';

/** How long all jobs may take, in milliseconds; most real batches end within an hour. */
const LIMIT = { simulated: 90_000, real: 2 * 3600_000 };
/** How long an orderly end may take, in milliseconds. */
const PATIENCE = 5000;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Somebody has pressed Ctrl-C, or the system wants an end. */
class Interrupted extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('Interrupted');
    this.exitCode = exitCode;
  }
}

/** Runs the examples through a whole Offpeak and shows what happens; the exit code says whether all went well. */
export async function run({ real = false }: { real?: boolean }): Promise<void> {
  try {
    process.exitCode = await play(real);
  } catch (error) {
    if (error instanceof Interrupted) {
      process.exitCode = error.exitCode;
    } else if (error instanceof DemoFailure) {
      console.error(`\n  ${styleText('red', '✗')} ${error.message}\n`);
      process.exitCode = 1;
    } else {
      throw error;
    }
  }
}

async function play(real: boolean): Promise<number> {
  const { given, used } = configure(real);
  const model: Model = { simulated: !real, steps: [], jobs: [], batches: [] };
  print(title(model.simulated));
  print(notes(given, real));
  const stop = new AbortController();
  listen(stop);
  const limit = setTimeout(
    () => stop.abort(new DemoFailure(`Not done in time: ${unfinished(model)}.`)),
    real ? LIMIT.real : LIMIT.simulated,
  );
  const screen = openScreen(model, process.stdout);
  const running = new AsyncDisposableStack();
  try {
    const { signal } = stop;
    const outcome = await runDemo({ config: used, model, show: screen.show, signal, running });
    screen.close();
    report(outcome, model, given);
    return outcome.checks.every(({ holds }) => holds) ? 0 : 1;
  } catch (error) {
    screen.close();
    // What was under way fails in its own words when everything is stopped; the cause is why it was stopped.
    const cause: unknown = stop.signal.aborted ? stop.signal.reason : error;
    if (cause instanceof Interrupted)
      print(['', '  Stopped. Jobs that are enqueued stay; the next start goes on with them.', '']);
    throw cause;
  } finally {
    clearTimeout(limit);
    setTimeout(() => process.exit(1), PATIENCE).unref();
    await running.disposeAsync();
  }
}

/** The first signal stops in order, the second at once. */
function listen(stop: AbortController): void {
  for (const [signal, exitCode] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      stop.abort(new Interrupted(exitCode));
      process.once(signal, () => process.exit(exitCode));
    });
  }
}

function notes(given: Config, real: boolean): string[] {
  const lines: string[] = [];
  if (real) lines.push('Eight requests go to Anthropic, at batch prices; that can take an hour or more.');
  else if (given.anthropic)
    lines.push('ANTHROPIC_API_KEY is set and not used; `npm run demo -- --real` uses it.');
  if (given.databaseUrl) lines.push('DATABASE_URL is set: the jobs of the demo go into that database.');
  return lines.length ? [...lines.map((line) => `  ${line}`), ''] : [];
}

function report({ results, comparisons, checks, dataDir }: Outcome, model: Model, given: Config): void {
  print(heading('Results'));
  print(resultLines(model.jobs, results));
  print(heading('Figures of all runs on this database'));
  print(statsLines(comparisons));
  print(heading('Checked'));
  print(checkLines(checks));
  print(['', savedLine(results, model.simulated), `  ${meaning(model.simulated)}`]);
  print(heading('Next'));
  const address = `http://127.0.0.1:${given.port || 4000}`;
  print([
    `  ${styleText('cyan', 'npm start')}  and open ${styleText('cyan', address)}`,
    `  Your key is ${given.operatorKey ? 'the one in OFFPEAK_OPERATOR_KEY' : `in ${shortPath(keyFile(dataDir))}`}`,
    '',
  ]);
}

/** As somebody in this directory would type it. */
function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return isAbsolute(short) || short.startsWith('..') ? path : short;
}

function print(lines: readonly string[]): void {
  if (lines.length) console.log(lines.join('\n'));
}
