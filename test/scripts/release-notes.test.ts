import { expect, test } from 'vitest';
import { loadScript } from './load-script.ts';

const { notesOf } = await loadScript('lib/release-notes.mjs');

const CHANGELOG = '# Changelog\n\n## 0.2.0\n\n- New.\n- Mended.\n\n## 0.1.0\n\n- First.\n';

test('the notes are those of the newest version alone', () => {
  expect(notesOf(CHANGELOG, '0.2.0')).toBe('- New.\n- Mended.\n');
});

test.each([
  ['0.3.0', CHANGELOG, 'Expected "## 0.3.0" on top of CHANGELOG.md but found "0.2.0"'],
  ['0.1.0', CHANGELOG, 'Expected "## 0.1.0" on top of CHANGELOG.md but found "0.2.0"'],
  ['0.2.0', '# Changelog\n\n## 0.2.0\n\n## 0.1.0\n\n- First.\n', 'but found none'],
])('a release of %s without notes of its own is refused', (version, changelog, message) => {
  expect(() => notesOf(changelog, version)).toThrow(message);
});
