import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Minutes long: started last, they would keep one core busy alone. */
const LONGEST = ['test/spark/', 'test/docs/', 'test/faults/', 'test/s3/'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const found = LONGEST.findIndex((folder) => moduleId.includes(`/${folder}`));
      return found === -1 ? LONGEST.length : found;
    };
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}

const SLOW = 'test/**/*.slow.test.ts';

/**
 * Folders whose tests leave nothing behind in the process (its environment, working folder, mocks, engines): one process
 * takes several of their files and loads each module once, which takes a fifth less processor time.
 */
const SHARING = [
  'commands',
  'export',
  'files',
  'findings',
  'image',
  'options',
  'pipeline',
  'reduce',
]
  .concat(['report', 'run', 'source', 'storage', 'terminal'])
  .map((folder) => `test/${folder}/**/*.test.ts`);

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores: more forks than that only fight over them.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // `npm test` is the quick part; `npm run test:all` both. A test that needs Java, a browser, an S3 server,
    // a registry or a loop of kills, or takes a minute, is in a file that is named *.slow.test.ts.
    projects: [
      {
        extends: true,
        test: { name: 'quick', include: ['test/**/*.test.ts'], exclude: [SLOW, ...SHARING] },
      },
      {
        extends: true,
        test: {
          name: 'quick, sharing',
          include: SHARING,
          exclude: [SLOW],
          isolate: false,
          restoreMocks: true,
        },
      },
      { extends: true, test: { name: 'slow', include: [SLOW] } },
    ],
  },
});
