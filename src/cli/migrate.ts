import { pino } from 'pino';
import { defaultDataDir } from '../adapters/embedded-postgres.ts';
import { migrate } from '../adapters/migrations.ts';
import { readConfig } from '../config.ts';
import { connect } from '../main.ts';

/** Applies the migrations that the database lacks, and says which. */
export async function run(): Promise<void> {
  const config = readConfig();
  await using running = new AsyncDisposableStack();
  const dataDir = config.dataDir ?? (await defaultDataDir(process.cwd())).dataDir;
  const { connection } = await connect(config, dataDir, pino({ level: 'silent' }), running);
  const applied = await migrate(connection);
  console.log(applied.length ? `Applied ${applied.join(', ')}.` : 'The database is up to date.');
}
