import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../src/adapters/embedded-postgres.ts';
import { migrate } from '../src/adapters/migrations.ts';
import { schemaDrift } from './drift.ts';

// Part of `npm run check`: migrates an empty database and fails when schema.prisma says something else than it holds.
const dataDir = await mkdtemp(join(tmpdir(), 'offpeak-check-'));
await chmod(dataDir, 0o711); // as root, the server runs as another user, who has to pass
const postgres = await startEmbeddedPostgres({ dataDir, fsync: false });
try {
  await migrate(postgres.connection);
  const drift = await schemaDrift(postgres.connection);
  if (drift) {
    console.error(
      `prisma/schema.prisma and prisma/migrations disagree. To become what schema.prisma says:\n\n${drift}`,
    );
    process.exitCode = 1;
  }
} finally {
  await postgres.close();
  await rm(dataDir, { recursive: true, force: true });
}
