import { styleText } from 'node:util';
import { readConfig } from '../config.ts';
import { start, type Program, type Roles } from '../main.ts';

/** How long an orderly end may take, in milliseconds; then the process ends as it is, and the next start cleans up. */
const PATIENCE = 5000;

/** Runs until SIGINT or SIGTERM, then stops in order. A second signal ends at once. */
export async function run(roles: Roles): Promise<void> {
  const program = await start(readConfig(), roles);
  console.log(banner(program, roles));
  await signal();
  process.once('SIGINT', () => process.exit(130));
  setTimeout(() => process.exit(1), PATIENCE).unref();
  await program.close();
}

function signal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

function banner(
  { url, simulated, dataDir, dataDirReason, database, newKey }: Program,
  { worker }: Roles,
): string {
  const label = (text: string) => styleText('dim', text.padEnd(10));
  const lines = [
    `${styleText('bold', 'Offpeak')}  ${simulated ? styleText(['bold', 'yellow'], 'SIMULATED') + styleText('dim', '  no ANTHROPIC_API_KEY is set: an emulator answers, nothing is billed') : styleText('green', 'live')}`,
    '',
    ...(url
      ? [
          `  ${label('Start')}${styleText('cyan', url)}`,
          `  ${label('GraphQL')}${url}/graphql  ${styleText('dim', 'GraphiQL, HTTP, SSE, WebSocket')}`,
          `  ${label('REST')}${url}/api/v1/batch`,
        ]
      : []),
    `  ${label('Worker')}${worker ? 'on' : 'off'}`,
    `  ${label('Database')}${database}`,
    `  ${label('Data')}${dataDir}`,
    ...(dataDirReason ? [`  ${label('')}${styleText('dim', dataDirReason)}`] : []),
    ...(newKey
      ? [
          '',
          `  ${label('Key')}${styleText('bold', newKey.token)}`,
          `  ${label('')}${styleText('dim', `shown once; kept in ${newKey.file}`)}`,
        ]
      : []),
    '',
  ];
  return lines.join('\n');
}
