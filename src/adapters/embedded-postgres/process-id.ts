import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from './error.ts';

/** Whether a process with this id exists and still does something (a zombie does not, but answers signals). */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
  }
  if (process.platform !== 'linux') return true;
  // The state follows the command in brackets, which may itself hold blanks and brackets.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return !/\) [ZX] [^)]*$/.test(stat);
}

/** Whether the process is a PostgreSQL server on this cluster, and not another program that was given its id. */
export async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if (!(await isRunning(pid))) return false;
  const command = await commandLine(pid);
  if (basename(command[0] ?? '') !== 'postgres') return false;
  if (command.some((argument) => argument.includes(cluster))) return true;
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => '');
  return directory.replace(/ \(deleted\)$/, '') === cluster;
}

async function commandLine(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    const raw = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return raw.split('\0');
  }
  const ps = promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
  const { stdout } = await ps.catch(() => ({ stdout: '' }));
  const [program = '', ...rest] = stdout.trim().split(' -D ');
  return [program, ...rest];
}
