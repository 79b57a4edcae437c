import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres.ts';
import { migrate } from '../../src/adapters/migrations.ts';

declare module 'vitest' {
  interface ProvidedContext {
    cluster: { host: string; port: number; user: string; password: string };
    template: string;
  }
}

/** One PostgreSQL for the whole run, with a migrated database that each test file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'offpeak-test-'));
  // As root, the server runs as another user, who has to pass.
  await chmod(dataDir, 0o711);
  const cluster = await startEmbeddedPostgres({ dataDir, database: 'template', fsync: false });
  await migrate(cluster.connection);
  const { host, port, user, password } = cluster.connection;
  project.provide('cluster', { host, port, user, password });
  project.provide('template', 'template');
  return async () => {
    await cluster.close();
    await rm(dataDir, { recursive: true, force: true });
  };
}
