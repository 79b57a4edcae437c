import { Command } from 'commander';

// Each command's code is loaded when it is called: the emulator starts without Prisma, `--help` without anything.
const program = new Command('offpeak')
  .description('Runs AI jobs that can wait, at half price, through Anthropic’s Message Batches API.')
  .showHelpAfterError();

program
  .command('serve')
  .description('serve GraphQL and REST, and work on the queue')
  .option('--no-worker', 'only serve; run `offpeak worker` beside it')
  .action(async (options: { worker: boolean }) =>
    (await import('./serve.ts')).run({ http: true, worker: options.worker }),
  );

program
  .command('worker')
  .description('only work on the queue')
  .action(async () => (await import('./serve.ts')).run({ http: false, worker: true }));

program
  .command('migrate')
  .description('bring the database to this version’s schema')
  .action(async () => (await import('./migrate.ts')).run());

program
  .command('keys')
  .description('manage API keys')
  .command('create')
  .description('make a key and show it once')
  .requiredOption('--name <name>', 'what it is for')
  .option('--tenant <name>', 'whose jobs it sees; made if new', 'default')
  .option('--scopes <list>', 'what it may do, by commas', 'jobs:read,jobs:write')
  .action(async (options: { name: string; tenant: string; scopes: string }) =>
    (await import('./keys.ts')).create(options),
  );

program
  .command('demo')
  .description('run the examples through everything and show what happens')
  .option('--real', 'use the API key that is set, and pay for it; without, the emulator answers')
  .action(async (options: { real?: boolean }) => (await import('./demo.ts')).run(options));

program
  .command('emulator')
  .description('run the emulator of the Message Batches API alone')
  .option('--port <n>', 'TCP port; 0 takes a free one', '0')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--data <dir>', 'keep its state in this directory')
  .option('--speed <factor>', 'how much faster than real its batches end')
  .option('--seed <n>', 'decides answers, durations and order of results')
  .action(async (options: Record<string, string>) => {
    const { runEmulator } = await import('../emulator/main.ts');
    process.exitCode = await runEmulator(
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    );
  });

try {
  await program.parseAsync();
} catch (error) {
  const { explain } = await import('./explain.ts');
  console.error(explain(error));
  process.exitCode = 1;
}
