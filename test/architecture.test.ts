import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

const src = fileURLToPath(new URL('../src', import.meta.url));

interface Import {
  from: string;
  /** A file below src, such as core/index.ts, or the name of a package or built-in module. */
  to: string;
  /** Only types: gone when the program runs. */
  types: boolean;
}

let files: string[];
let imports: Import[];

beforeAll(async () => {
  const all = await readdir(src, { recursive: true });
  files = all
    .map((file) => file.split(sep).join('/'))
    .filter((file) => file.endsWith('.ts') && !file.startsWith('generated/'));
  imports = (await Promise.all(files.map(readImports))).flat();
});

async function readImports(from: string): Promise<Import[]> {
  const text = await readFile(join(src, from), 'utf8');
  const statements = text.matchAll(
    /^\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm,
  );
  return [...statements].map(([, types, named, dynamic, bare]) => {
    const target = (named ?? dynamic ?? bare)!;
    const to = target.startsWith('.')
      ? relative(src, join(src, dirname(from), target))
          .split(sep)
          .join('/')
      : target;
    return { from, to, types: types !== undefined };
  });
}

const room = (file: string): string => (file.includes('/') ? file.split('/')[0]! : file);
const isOurs = (file: string): boolean => file.endsWith('.ts');

/** What each room may import of ours: rooms by name, or single files of them. */
const allowed: Record<string, readonly string[]> = {
  core: ['core', 'generated'],
  adapters: ['adapters', 'core/index.ts', 'generated'],
  worker: ['worker', 'core/index.ts'],
  graphql: ['graphql', 'core/index.ts', 'generated'],
  rest: ['rest', 'graphql/operation.ts', 'core/index.ts'],
  http: ['http', 'graphql/yoga.ts', 'rest/index.ts', 'core/index.ts'],
  emulator: ['emulator'],
  'config.ts': ['core/index.ts'],
};

/** What core may use of the outside: pure libraries and Node's own modules that do no input or output. */
const pure = [/^node:(crypto|timers\/promises)$/, /^ajv$/, /^decimal\.js$/, /^typeid-js$/];

describe('imports fall one way', () => {
  test('every import is seen by this test', () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(
      imports.filter(({ to }) => isOurs(to) && !files.includes(to) && !to.startsWith('generated/')),
    ).toEqual([]);
  });

  test.each(Object.entries(allowed))('%s imports only what it may', (name, rooms) => {
    const ours = imports.filter(({ from, to }) => room(from) === name && isOurs(to));
    expect(ours.filter(({ to }) => !rooms.includes(room(to)) && !rooms.includes(to))).toEqual([]);
  });

  test('only the composition root and the command line see everything', () => {
    const rooms = new Set(files.map(room));
    expect([...rooms].filter((name) => !(name in allowed)).toSorted()).toEqual(['cli', 'main.ts']);
  });

  test('core knows no HTTP, no GraphQL, no SDK and no process', () => {
    const outside = imports.filter(({ from, to }) => room(from) === 'core' && !isOurs(to));
    expect(outside.filter(({ to }) => !pure.some((library) => library.test(to)))).toEqual([]);
  });

  test('the emulator uses nothing but Node', () => {
    const outside = imports.filter(({ from, to }) => room(from) === 'emulator' && !isOurs(to));
    expect(outside.filter(({ to }) => !to.startsWith('node:'))).toEqual([]);
  });

  test('GraphQL and REST never call Prisma themselves', () => {
    const generated = imports.filter(
      ({ from, to }) => ['graphql', 'rest'].includes(room(from)) && to.startsWith('generated/prisma'),
    );
    expect(generated.filter(({ types }) => !types)).toEqual([]);
  });

  test('only config.ts reads settings; adapters may ask where the system keeps its files', async () => {
    const readers = new Set<string>();
    for (const file of files) {
      const text = await readFile(join(src, file), 'utf8');
      const system = room(file) === 'adapters' ? /process\.env\['(PATH|XDG_\w+)'\]/g : /$^/g;
      if (text.replaceAll(system, '').includes('process.env')) readers.add(file);
    }
    expect([...readers]).toEqual(['config.ts']);
  });

  test('no folder is a drawer for everything', () => {
    const drawers = files.filter((file) => /(^|\/)(utils?|libs?|common|helpers?|types)(\/|\.ts$)/.test(file));
    expect(drawers).toEqual([]);
  });
});
