import { StepError } from './steps.mjs';

/**
 * The part of a changelog about one version: below `## <version>`, up to the next one.
 * @param {string} changelog
 * @param {string} version
 * @returns {string}
 * @throws {StepError} where it is missing, empty or not the newest
 */
export function notesOf(changelog, version) {
  const [newest = ''] = changelog.split(/^## /m).slice(1);
  const [title = '', ...lines] = newest.split('\n');
  if (title.trim() !== version) {
    throw new StepError(
      `Expected "## ${version}" on top of CHANGELOG.md but found "${title.trim()}": add what changed, or correct the version of package.json.`,
    );
  }
  const notes = lines.join('\n').trim();
  if (notes === '') {
    throw new StepError(`Expected changes below "## ${version}" of CHANGELOG.md but found none.`);
  }
  return `${notes}\n`;
}
