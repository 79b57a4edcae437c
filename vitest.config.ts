import { defineConfig } from 'vitest/config';

export default defineConfig({
  // As Node itself resolves packages. Vite's own default picks graphql's development build for our files and the other
  // one for the libraries, and then no error is an instance of the GraphQLError that we know.
  ssr: { resolve: { conditions: ['module-sync', 'node'] } },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/long/**'],
    globalSetup: ['test/harness/global-setup.ts'],
    setupFiles: ['test/harness/leaks.ts'],
    pool: 'forks',
    // More than there are cores: the slow files mostly wait for processes that start and stop.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
