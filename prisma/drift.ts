import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import * as schemaEngine from '@prisma/schema-engine-wasm/schema_engine_bg';
import type pg from 'pg';

const CHAR = 18; // PostgreSQL's internal type "char": the catalogue is full of it, and the adapter refuses it
const TEXT = 25;

// Node has it; TypeScript declares it only for browsers.
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: object,
  ): Promise<{ instance: { exports: Record<string, () => void> } }>;
};

/** The adapter for PostgreSQL, taught to read the catalogue's "char" columns. */
class CatalogueAdapter extends PrismaPg {
  override async connect() {
    const chars = new Set<string>();
    const adapter = await super.connect();
    const client = adapter.underlyingDriver();
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<pg.QueryResult>;
    client.query = (async (...args: unknown[]) => {
      const result = await query(...args);
      for (const field of result.fields.filter(({ dataTypeID }) => dataTypeID === CHAR)) {
        chars.add(field.name);
        field.dataTypeID = TEXT;
      }
      return result;
    }) as never;
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (params) => {
      const result = await queryRaw(params);
      const types = result.columnTypes.map((type, at) =>
        chars.has(result.columnNames[at]!) ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes: types };
    };
    return adapter;
  }
}

/** Loads Prisma's schema engine as WebAssembly: its binary cannot be downloaded everywhere. */
async function loadEngine() {
  const wasm = createRequire(import.meta.url)
    .resolve('@prisma/schema-engine-wasm/schema_engine_bg')
    .replace(/\.js$/, '.wasm');
  const { instance } = await WebAssembly.instantiate(await readFile(wasm), {
    './schema_engine_bg.js': schemaEngine,
  });
  (schemaEngine as typeof schemaEngine & { __wbg_set_wasm(exports: object): void }).__wbg_set_wasm(
    instance.exports,
  );
  instance.exports['__wbindgen_start']?.();
  return schemaEngine.SchemaEngine;
}

/**
 * The SQL that would bring a migrated database to what `schema.prisma` says; empty when both agree. Prisma sees
 * tables, columns, enums, keys and plain indexes, not CHECKs, partial indexes, triggers or functions.
 */
export async function schemaDrift(connection: pg.PoolConfig): Promise<string> {
  const schema = {
    path: 'schema.prisma',
    content: await readFile(new URL('schema.prisma', import.meta.url), 'utf8'),
  };
  const SchemaEngine = await loadEngine();
  const engine = await SchemaEngine.new(
    { datamodels: [[schema.path, schema.content]] },
    () => {},
    bindSqlAdapterFactory(new CatalogueAdapter(connection)),
  );
  try {
    const diff = await engine.diff({
      from: { tag: 'schemaDatasource', files: [schema], configDir: '.' },
      to: { tag: 'schemaDatamodel', files: [schema] },
      script: true,
      exitCode: true,
      filters: { externalTables: ['public._prisma_migrations'], externalEnums: [] },
    });
    return diff.exitCode === 0 ? '' : (diff.stdout ?? '');
  } finally {
    engine.free();
  }
}
