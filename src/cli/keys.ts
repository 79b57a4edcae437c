import { pino } from 'pino';
import { openDatabase } from '../adapters/database.ts';
import { defaultDataDir } from '../adapters/embedded-postgres.ts';
import { migrate } from '../adapters/migrations.ts';
import { ConfigError, readConfig } from '../config.ts';
import { newToken, scopes, storeKey, type Scope } from '../core/index.ts';
import { connect } from '../main.ts';

/** Makes a key and prints it; it cannot be shown again. */
export async function create(options: { name: string; tenant: string; scopes: string }): Promise<void> {
  const granted = options.scopes.split(',').map((scope) => scope.trim());
  const unknown = granted.filter((scope) => !(scopes as readonly string[]).includes(scope));
  if (unknown.length)
    throw new ConfigError(`Unknown scope ${unknown.join(', ')}; there are ${scopes.join(', ')}.`);
  const config = readConfig();
  await using running = new AsyncDisposableStack();
  const dataDir = config.dataDir ?? (await defaultDataDir(process.cwd())).dataDir;
  const log = pino({ level: 'silent' });
  const { connection } = await connect(config, dataDir, log, running);
  await migrate(connection);
  const database = openDatabase(connection, log, 1);
  running.defer(() => database.close());
  const token = newToken();
  await storeKey(database.db, token, {
    name: options.name,
    tenant: options.tenant,
    scopes: granted as Scope[],
  });
  console.log(token);
}
