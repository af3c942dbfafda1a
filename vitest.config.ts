import { defineConfig } from 'vitest/config';

/** Measured at length by `npm run drills`, never as a part of the tests. */
const DRILLS = ['test/drills/**/*.drill.ts'];
/** Tests that use real programs: slow, and never more than two files at once. */
/** Simulated worlds: no real part, but many seconds of computing. */
const WORLDS = ['test/stories/**/*.test.ts'];
const REAL = ['test/**/*.real.test.ts', 'test/rig/**/*.test.ts', 'test/doors/**/*.test.ts'];

export default defineConfig({
  test: {
    env: { TZ: 'UTC' },
    projects: [
      {
        extends: true,
        test: {
          name: 'pure',
          include: ['test/**/*.test.ts'],
          exclude: [...REAL, ...WORLDS],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'worlds', include: WORLDS, testTimeout: 120_000, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
      ...(process.env.FLEET_DRILLS === undefined
        ? []
        : [{ extends: true as const, test: { name: 'drills', include: DRILLS, maxWorkers: 1 } }]),
      {
        extends: true,
        test: {
          name: 'real',
          include: REAL,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
