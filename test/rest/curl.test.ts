import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BATCH_TIME, startServer, type TestServer } from '../harness/http.ts';

const run = promisify(execFile);

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** The one block of shell in the page, as lines that are run: first what they set, then the commands. */
async function readExample(): Promise<{ setting: string[]; commands: string[] }> {
  const page = await readFile(new URL('../../docs/rest.md', import.meta.url), 'utf8');
  const block = /```sh\n(.*?)```/s.exec(page)![1]!;
  const lines = block.replaceAll('\\\n', '').split('\n').filter(Boolean);
  return {
    setting: lines.filter((line) => /^\w+=/.test(line)),
    commands: lines.filter((line) => line.startsWith('curl ')),
  };
}

test('the example in docs/rest.md takes a job all the way, with curl', async ({ skip }) => {
  const version = await run('curl', ['--version']).catch(() => undefined);
  if (!version) skip('there is no curl on this machine');
  const { setting, commands } = await readExample();
  const known = { 'http://localhost:4000': server.url, 'job_…': '', 'msgbatch_…': '' };
  const answers: Record<string, any>[] = [];
  for (const command of commands) {
    let script = [...setting, command].join('\n');
    for (const [placeholder, value] of Object.entries(known)) {
      script = script.replaceAll(placeholder, value || placeholder);
    }
    const { stdout } = await run('sh', ['-euc', script], {
      env: { ...process.env, OFFPEAK_KEY: server.token },
    });
    const answer = JSON.parse(stdout);
    answers.push(answer);
    known['job_…'] ||= answer.job?.id ?? '';
    if (known['msgbatch_…'] === '' && answer.batch_id) {
      known['msgbatch_…'] = answer.batch_id;
      await server.offpeak.emulator.advance(BATCH_TIME);
    }
  }
  const id = known['job_…'];
  expect(answers).toEqual([
    expect.objectContaining({ success: true, job: expect.objectContaining({ id, custom_id: 'news-1' }) }),
    expect.objectContaining({ jobs: [expect.objectContaining({ id })], total_count: 1 }),
    expect.objectContaining({ success: true, jobs_count: 1 }),
    expect.objectContaining({ status: 'ended', results: [expect.objectContaining({ job_id: id })] }),
    expect.objectContaining({ id, status: 'completed' }),
    answers[3]!['results'][0].result,
    { success: false },
    expect.objectContaining({ total_jobs_queued: 1, completed_jobs: 1 }),
  ]);
});
