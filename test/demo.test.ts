import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkCompleted, checkSeen, checkStats, compareStats } from '../src/cli/demo/checks.ts';
import type { GraphQLStats, JobResult, RestStats } from '../src/cli/demo/answers.ts';
import { renderChange, renderLive, title, WIDTH } from '../src/cli/demo/display.ts';
import { moveBatch, moveJob, type JobLine, type Model } from '../src/cli/demo/model.ts';
import { checkLines, resultLines, savedLine, statsLines } from '../src/cli/demo/report.ts';
import { columnsOf, cut, dollars, left, oneLine, right, seconds } from '../src/cli/demo/text.ts';

const plain = (lines: readonly string[]): string[] => lines.map((line) => stripVTControlCharacters(line));
const widest = (lines: readonly string[]): number => Math.max(...plain(lines).map(columnsOf));

const job = (over: Partial<JobLine> = {}): JobLine => ({
  id: 'job_01kb2x8v7fe4rs9m3tq5h6wz0d',
  type: 'sentiment_analysis',
  face: 'GraphQL',
  status: 'PENDING',
  enqueuedAt: 1000,
  ...over,
});

const result = (over: Partial<JobResult> = {}): JobResult => ({
  id: 'job_01kb2x8v7fe4rs9m3tq5h6wz0d',
  status: 'COMPLETED',
  error: null,
  resultJson: { summary: 'All is well.' },
  usage: { inputTokens: 1000, cacheReadTokens: 200, cacheWriteTokens: 30, outputTokens: 400 },
  cost: { actualUsd: '0.0012345', standardUsd: '0.002469', savedUsd: '0.0012345' },
  ...over,
});

/** Everything in it as long as it gets. */
const fullModel = (): Model => ({
  simulated: true,
  steps: [
    { name: 'Start', text: `${'an-endless-host.'.repeat(9)}example:5432`, beganAt: 0, endedAt: 59_900 },
    { name: 'Subscribe', text: '株式市場の概要を毎日お届けします。'.repeat(4), beganAt: 0 },
  ],
  jobs: (['PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const).map((status) =>
    job({ status, ...(status !== 'PENDING' && { processingAt: 6_000_000 }) }),
  ),
  batches: [
    {
      id: 'batch_01kb2x8v7fe4rs9m3tq5h6wz0d',
      providerBatchId: 'msgbatch_01PFkLo3gsvMapiiBE2M3zQM',
      status: 'IN_PROGRESS',
      requests: 10_000,
      sealedAt: 0,
    },
  ],
});

const stats = (over: Partial<GraphQLStats> = {}): GraphQLStats => ({
  totalJobs: 9,
  pendingJobs: 0,
  processingJobs: 1,
  completedJobs: 8,
  failedJobs: 0,
  inputTokens: 13_295,
  outputTokens: 4_594,
  costUsd: '0.0296265',
  savedUsd: '0.0296275',
  simulated: true,
  ...over,
});

const restStats: RestStats = {
  total_jobs_queued: 9,
  pending_jobs: 0,
  processing_jobs: 1,
  completed_jobs: 8,
  failed_jobs: 0,
  total_tokens_used: 17_889,
  total_cost_usd: 0.029626,
  total_savings_usd: 0.029628,
};

describe('texts', () => {
  test('are measured in columns of a terminal, not in characters', () => {
    expect(columnsOf('概要')).toBe(4);
    expect(columnsOf('e\u0301')).toBe(1);
    expect(columnsOf('👩‍👩‍👧')).toBe(2);
    expect(cut('株式市場', 6)).toBe('株式…');
    expect(columnsOf(left('株式市場', 6))).toBe(6);
    expect(right('7', 3)).toBe('  7');
  });

  test('from outside cannot steer the terminal', () => {
    expect(oneLine('one\n\ttwo \u001b[31mred\u0007')).toBe('one two [31mred');
  });

  test('say money exactly, and say when it is not known', () => {
    expect(dollars('0.0012345', 6)).toBe('$0.001234'); // half to even, as REST rounds
    expect(dollars('0.0012355', 6)).toBe('$0.001236');
    expect(dollars(null, 4)).toBe('unknown');
  });

  test('say times short', () => {
    expect(seconds(4249)).toBe('4.2 s');
    expect(seconds(185_000)).toBe('3 min 05 s');
    expect(seconds(-5)).toBe('0.0 s');
  });
});

describe('the live picture', () => {
  test('fits into 80 columns and 24 lines, whatever is in it', () => {
    expect(
      widest([...title(true), ...title(false), ...renderLive(fullModel(), 7_000_000)]),
    ).toBeLessThanOrEqual(WIDTH);
    expect(WIDTH).toBe(80);
    const steps = ['Start', 'Enqueue', 'Subscribe', 'Flush', 'Wait'].map((name) => ({
      name,
      text: '',
      beganAt: 0,
    }));
    const whole = { ...fullModel(), steps, jobs: Array.from({ length: 8 }, () => job()) };
    expect([...title(true), ...renderLive(whole, 0)].length).toBeLessThan(24);
  });

  test('shows status, face and the time spent in each status', () => {
    const model: Model = { simulated: true, steps: [], jobs: [job({ face: 'REST' })], batches: [] };
    const [line] = model.jobs;
    expect(plain(renderLive(model, 2500)).at(-1)).toMatch(
      /○ sentiment_analysis {2}job_…h6wz0d {2}REST .*pending +1\.5 s$/,
    );
    moveJob(line!, 'PROCESSING', 3000);
    expect(plain(renderLive(model, 4000)).at(-1)).toMatch(/processing +2\.0 s +1\.0 s$/);
    moveJob(line!, 'COMPLETED', 5000);
    expect(plain(renderLive(model, 99_000)).at(-1)).toMatch(/✓ .*completed +2\.0 s +2\.0 s$/);
  });

  test('turns only what is under way, and nothing in its last frame', () => {
    const model: Model = {
      simulated: true,
      steps: [],
      jobs: [job({ status: 'COMPLETED', processingAt: 1, endedAt: 2 })],
      batches: [],
    };
    expect(renderLive(model, 100)).toEqual(renderLive(model, 200));
    model.jobs.push(job({ status: 'PROCESSING', processingAt: 1 }));
    expect(renderLive(model, 110)).not.toEqual(renderLive(model, 210));
    expect(renderLive(model, 110, true)).toEqual(renderLive(model, 140, true));
  });

  test('marks a simulated batch, with the provider’s id of it', () => {
    expect(plain(renderLive(fullModel(), 0)).at(-1)).toContain(
      'msgbatch_01PFkLo3gsvMapiiBE2M3zQM in progress',
    );
    expect(plain(renderLive(fullModel(), 0)).at(-1)).toContain('SIMULATED');
    expect(plain(renderLive({ ...fullModel(), simulated: false }, 0)).at(-1)).toContain('REAL');
  });
});

describe('plain progress', () => {
  test('is one line a change, at most 80 columns wide and without control characters', () => {
    const { steps, jobs, batches } = fullModel();
    const lines = [
      ...steps.map((step) => renderChange({ step }, true, 12_345)),
      ...jobs.map((one) => renderChange({ job: one }, true, 12_345)),
      ...batches.map((batch) => renderChange({ batch }, true, 12_345)),
    ];
    expect(lines).toHaveLength(8);
    expect(widest(lines)).toBeLessThanOrEqual(WIDTH);
    expect(lines).toEqual(plain(lines));
    expect(lines[2]).toBe('   12.3 s  job       job_…h6wz0d  sentiment_analysis  GraphQL  pending');
    expect(lines[7]).toMatch(/batch +msgbatch_01PFkLo3gsvMapiiBE2M3zQM in progress SIMULATED$/);
  });

  test('a snapshot that repeats the status is no change', () => {
    const line = job();
    expect(moveJob(line, 'PENDING', 2000)).toBe(false);
    expect(moveJob(line, 'PROCESSING', 2000)).toBe(true);
    expect(moveJob(line, 'PROCESSING', 3000)).toBe(false);
    expect(line.processingAt).toBe(2000);
  });

  test('an answer that comes late does not take a batch back', () => {
    const model = fullModel();
    const state = { ...model.batches[0]!, providerBatchId: 'msgbatch_1', counts: { requests: 8 } };
    expect(moveBatch(model, { ...state, status: 'INGESTED' }, 9000)?.endedAt).toBe(9000);
    expect(moveBatch(model, { ...state, status: 'IN_PROGRESS' }, 9001)).toBeUndefined();
    expect(model.batches[0]!.status).toBe('INGESTED');
  });
});

describe('the report', () => {
  const jobs = [job(), job({ type: 'strategy_backtest' }), job({ type: 'risk_report' })];
  const long = { summary: `株価は上昇しました。${'The market rose. '.repeat(40)}\n\u001b[2Jmore` };
  const failed = result({
    status: 'FAILED',
    error: { code: 'OUTPUT_INVALID', message: 'The answer has no summary.' },
    resultJson: null,
    cost: { actualUsd: null, standardUsd: null, savedUsd: null },
  });

  test('fits into 80 columns, with wide characters in a summary', () => {
    const lines = resultLines(jobs, [result(), result({ resultJson: long }), failed]);
    expect(widest(lines)).toBeLessThanOrEqual(80);
    expect(lines.join()).not.toContain('\u001b[2J');
    expect(plain(lines).find((line) => line.includes('株価'))).toMatch(/…$/);
  });

  test('has a row for each job, its excerpt, and exact totals', () => {
    const lines = plain(resultLines(jobs.slice(0, 2), [result(), result()]));
    expect(lines[2]).toMatch(/sentiment_analysis +completed +1,230 +400 +\$0\.0012 +\$0\.0025 +\$0\.0012$/);
    expect(lines[3]!.trim()).toBe('All is well.');
    expect(lines.at(-1)).toMatch(/2 jobs +2,460 +800 +\$0\.0025 +\$0\.0049 +\$0\.0025$/);
  });

  test('says why a job failed, and that a total is unknown rather than too small', () => {
    const lines = plain(resultLines(jobs.slice(0, 2), [result(), failed]));
    expect(lines).toContainEqual(expect.stringContaining('OUTPUT_INVALID: The answer has no summary.'));
    expect(lines.at(-1)).toMatch(/unknown +unknown +unknown$/);
    expect(savedLine([failed], true)).toContain('not known');
    expect(checkCompleted(jobs, [result(), failed]).problem).toMatch(
      /job_…h6wz0d \(strategy_backtest\) is failed: OUTPUT_INVALID/,
    );
  });

  test('never calls a simulated saving real', () => {
    expect(stripVTControlCharacters(savedLine([result()], true))).toMatch(
      /Saved \$0\.0012: .* had the answers been real\.$/,
    );
    expect(stripVTControlCharacters(savedLine([result()], false))).toMatch(
      /Saved \$0\.0012: \$0\.0012 instead of \$0\.0025\.$/,
    );
  });

  test('finds the figures of both faces equal when money differs only by REST’s rounding', () => {
    const comparisons = compareStats(stats(), restStats);
    expect(checkStats(comparisons).holds).toBe(true);
    expect(plain(statsLines(comparisons)).map((line) => line.trim().split(/ {2,}/)[0])).toEqual([
      'GraphQL',
      'jobs ever',
      'processing',
      'completed',
      'tokens',
      'cost',
      'saved',
    ]);
  });

  test('names every figure that differs', () => {
    const check = checkStats(compareStats(stats({ costUsd: '0.0296275', totalJobs: 10 }), restStats));
    expect(check.problem).toContain('jobs ever: GraphQL 10, REST 9');
    expect(check.problem).toContain('cost: GraphQL $0.029628, REST $0.029626');
    expect(plain(checkLines([check, checkSeen(jobs, new Set())]))).toEqual([
      expect.stringMatching(/^ {2}✗ the two faces give different figures/),
      '  ✗ no job was seen processing over the WebSocket',
    ]);
  });
});

describe('npm run demo', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'offpeak-demo-'));
    await chmod(folder, 0o711); // as root, PostgreSQL runs as another user, who has to pass
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** The environment of somebody who has set nothing but where the data lies. */
  const environment = (dataDir: string): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    TMPDIR: process.env['TMPDIR'],
    OFFPEAK_DATA_DIR: dataDir,
  });

  interface Ended {
    code: number | null;
    output: string;
    errors: string;
  }

  /** Runs the command as npm does; `interruptAt` presses Ctrl-C when that is printed. */
  async function demo(env: NodeJS.ProcessEnv, args: string[] = [], interruptAt?: string): Promise<Ended> {
    const bin = fileURLToPath(new URL('../bin/offpeak.js', import.meta.url));
    const child = spawn(process.execPath, [bin, 'demo', ...args], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    let interrupted = false; // a second Ctrl-C would not wait for an orderly end
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (interruptAt && !interrupted && output.includes(interruptAt)) interrupted = child.kill('SIGINT');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (errors += text));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output, errors };
  }

  /** The emulator leaves some seconds after its last user, PostgreSQL at once; both take their files with them. */
  async function allGone(dataDir: string): Promise<boolean> {
    const files = ['emulator/address.json', 'postgres/cluster/postmaster.pid'].map((file) =>
      join(dataDir, file),
    );
    const there = (file: string) =>
      access(file).then(
        () => true,
        () => false,
      );
    for (const until = Date.now() + 10_000; Date.now() < until; await pause(50)) {
      if (!(await Promise.all(files.map(there))).includes(true)) return true;
    }
    return false;
  }

  test(
    'takes the examples from pending to completed, twice on the same data, and leaves nothing running',
    { timeout: 60_000 },
    async () => {
      const dataDir = join(folder, 'data');
      for (const jobsEver of [8, 16]) {
        const { code, output, errors } = await demo(environment(dataDir));
        expect(errors).toBe('');
        expect(code).toBe(0);
        const lines = output.split('\n');
        expect(widest(lines)).toBeLessThanOrEqual(80);
        for (const face of ['GraphQL', 'REST']) {
          const told = lines.filter((line) => line.includes('risk_report') && line.includes(face));
          expect(told.map((line) => line.trim().split(' ').at(-1))).toEqual([
            'pending',
            'processing',
            'completed',
          ]);
        }
        expect(output).toMatch(/msgbatch_\w+ in progress SIMULATED/);
        expect(output).toMatch(/Job +Status +Input +Output +Cost +Standard +Saved/);
        expect(
          lines.filter((line) => /^ {2}\w+ +completed +[\d,]+ +[\d,]+( +\$0\.\d{4}){3}$/.test(line)),
        ).toHaveLength(8);
        expect(output).toMatch(/8 jobs( +[\d,]+){2}( +\$\d+\.\d{4}){3}/);
        expect(output).toMatch(new RegExp(`jobs ever +${jobsEver} +${jobsEver} +=`));
        expect(output).toContain('SIMULATED   prices are real, answers and tokens are not');
        expect(output).not.toContain('✗');
      }
      expect(await allGone(dataDir)).toBe(true);
    },
  );

  test('stops in order at Ctrl-C', { timeout: 60_000 }, async () => {
    const dataDir = join(folder, 'interrupted');
    const { code, output, errors } = await demo(environment(dataDir), [], 'processing');
    expect({ code, errors }).toEqual({ code: 130, errors: '' });
    expect(output).toContain('Stopped.');
    expect(await allGone(dataDir)).toBe(true);
  });

  test('does not use a key for Anthropic unless told to, and says so', { timeout: 60_000 }, async () => {
    const dataDir = join(folder, 'interrupted');
    const env = { ...environment(dataDir), ANTHROPIC_API_KEY: 'sk-ant-not-a-key' };
    const { code, output } = await demo(env, [], 'Enqueue');
    expect(code).toBe(130);
    expect(output).toContain('SIMULATED');
    expect(output).toContain('ANTHROPIC_API_KEY is set and not used');
    expect(await allGone(dataDir)).toBe(true);
  });

  test('--real without a key fails at once and says what it needs', async () => {
    const { code, output, errors } = await demo(environment(join(folder, 'none')), ['--real']);
    expect(code).toBe(1);
    expect(output).toBe('');
    expect(errors).toContain(
      '--real runs the examples at Anthropic, which needs ANTHROPIC_API_KEY; none is set.',
    );
  });
});
