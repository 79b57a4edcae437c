import { mergeConfig } from 'vitest/config';
import base from './vitest.config.ts';

// `npm run test:long`: what takes longer than a developer wants to wait. Runs one file at a time, in a quiet machine.
const long = mergeConfig(base, { test: { fileParallelism: false, testTimeout: 45 * 60_000 } });
long.test!.include = ['test/long/**/*.test.ts'];
long.test!.exclude = [];
export default long;
