import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { defineConfig } from 'prisma/config';

// Every Prisma command first fetches its schema engine, even those that never use it. Where it is absent (an
// offline machine, or `npm ci` without Prisma's scripts), naming any existing file stops the download; `generate`
// and `validate` then work in full. An engine that is present, or a variable that is set, is left alone.
const engines = dirname(createRequire(import.meta.url).resolve('@prisma/engines/package.json'));
const hasEngine = readdirSync(engines).some((name) => name.startsWith('schema-engine'));
if (!hasEngine) process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= import.meta.filename;

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
