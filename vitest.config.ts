import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Measured at length by `npm run drills`, never as a part of the tests. */
const DRILLS = ['test/drills/**/*.drill.ts'];
/** Simulated worlds: no real part, but many seconds of computing. */
const WORLDS = ['test/stories/**/*.test.ts'];
/** Tests that use real programs: slow, and never more than three files at once: they wait a quarter of their time. */
const REAL = ['test/**/*.real.test.ts', 'test/rig/**/*.test.ts', 'test/doors/**/*.test.ts'];

/** A minute and more each. What begins last keeps one worker busy while the other has nothing left. */
const LONGEST = [
  ...['infra/whole', 'doors/ssh-faults', 'doors/ssh-kills', 'infra/stacks', 'doors/ssh-losses', 'doors/rehearse'],
  ...['infra/adopted', 'doors/setup', 'infra/gate', 'transport/ssh'],
];

/** As vitest sorts, which knows how long files took the last time; the longest first also where nothing ran before. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId, project }: TestSpecification) => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.real.test.ts`));
      return project.config.sequence.groupOrder * 100 + (found < 0 ? LONGEST.length : found);
    };
    return (await super.sort(files)).sort((one, other) => placeOf(one) - placeOf(other));
  }
}

export default defineConfig({
  test: {
    env: { TZ: 'UTC' },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'pure',
          include: ['test/**/*.test.ts'],
          exclude: [...REAL, ...WORLDS],
          testTimeout: 20_000,
          // They keep nothing that another could meet, so a worker loads the product once, not once a file.
          isolate: false,
          maxWorkers: '100%',
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
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
