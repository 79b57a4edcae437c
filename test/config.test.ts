import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ConfigError, readConfig, variables } from '../src/config.ts';

test('an empty environment gives the defaults of the documentation', async () => {
  const example = await readFile(new URL('../.env.example', import.meta.url), 'utf8');
  const documented = Object.fromEntries(
    [...example.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  );
  expect(readConfig(documented)).toEqual(readConfig({}));
});

test('the example file names every variable and no other', async () => {
  const example = await readFile(new URL('../.env.example', import.meta.url), 'utf8');
  const named = [...example.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name!);
  expect(named.toSorted()).toEqual([...variables].toSorted());
});

test('all mistakes are reported at once, each with what would be right, and no value', () => {
  const read = () =>
    readConfig({
      PORT: '99999',
      DATABASE_URL: 'mysql://secret@host/db',
      OFFPEAK_OPERATOR_KEY: 'too-short',
      OFFPEAK_FLUSH_AGE: 'soon',
      OFFPEAK_FLUSH_COUNT: '0',
    });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(/PORT must be at most 65535/);
  expect(read).toThrow(/DATABASE_URL must be a URL such as postgresql:/);
  expect(read).toThrow(/OFFPEAK_OPERATOR_KEY must have at least 32 characters/);
  expect(read).toThrow(/OFFPEAK_FLUSH_AGE must be a duration such as .*, or off/);
  expect(read).toThrow(/OFFPEAK_FLUSH_COUNT must be/);
  expect(read).not.toThrow(/secret|too-short/);
});

test('a trigger can be switched off, and durations have units', () => {
  const { policy } = readConfig({
    OFFPEAK_FLUSH_AGE: 'off',
    OFFPEAK_FLUSH_COUNT: 'off',
    OFFPEAK_LEASE: '1500ms',
  });
  expect(policy).toMatchObject({ flushAge: undefined, flushCount: undefined, lease: 1500 });
});

test('without a key the emulator answers; with one its workspace counts as shared unless said otherwise', () => {
  expect(readConfig({}).anthropic).toBeUndefined();
  expect(readConfig({}).policy.dedicatedWorkspace).toBe(true);
  expect(readConfig({ ANTHROPIC_API_KEY: 'k' }).policy.dedicatedWorkspace).toBe(false);
  expect(
    readConfig({ ANTHROPIC_API_KEY: 'k', OFFPEAK_DEDICATED_WORKSPACE: 'true' }).policy.dedicatedWorkspace,
  ).toBe(true);
});

test('the configuration cannot be changed', () => {
  expect(Object.isFrozen(readConfig({}))).toBe(true);
});
