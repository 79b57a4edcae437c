#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that one that is too old says so instead of failing somewhere inside.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  console.error(
    `Offpeak needs Node 22.15 or later; this is ${process.versions.node}. Inside a checkout, start it with npm or npx: they use the Node that npm ci installs.`,
  );
  process.exit(1);
}
const { existsSync } = await import('node:fs');
// A checkout runs on its sources, an installed package on what was compiled from them.
const source = new URL('../src/cli/main.ts', import.meta.url);
await import(existsSync(source) ? source : new URL('../dist/cli/main.js', import.meta.url));
