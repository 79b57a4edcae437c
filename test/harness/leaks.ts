import assert from 'node:assert/strict';
import { afterAll, beforeAll } from 'vitest';

const watched = new Set(['TCPSocketWrap', 'TCPServerWrap', 'PipeWrap', 'ProcessWrap', 'Timeout']);
const held = (): string[] => process.getActiveResourcesInfo().filter((kind) => watched.has(kind));

// Each test file runs in a process of its own. What it holds before its first test is the runner's: its pipes, and
// the timer of the hook that is running, which there is one of in `afterAll` too.
let atStart: string[] = [];
beforeAll(() => {
  void process.stdin; // opened when first looked at, by whoever looks first
  atStart = held();
});

/** Fails a test file that leaves a socket, timer or child process behind. */
afterAll(async () => {
  // What is being closed may take some turns of the event loop; a leak stays.
  for (let turns = 0; turns < 500 && leaked().length > 0; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(leaked(), [], 'sockets, timers or processes left open by this file');
});

function leaked(): string[] {
  const left = [...atStart];
  return held().filter((kind) => {
    const at = left.indexOf(kind);
    if (at !== -1) left.splice(at, 1);
    return at === -1;
  });
}
