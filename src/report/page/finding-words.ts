import type { FindingKind } from '../../events.ts';
import type { PageData, PageFinding } from '../page-data.ts';
import { count, distance, el } from './dom.ts';

/** The numbers behind a finding, in short. */
export function evidence({ kind, evidence: of, images, threshold }: PageFinding): HTMLElement[] {
  const fact = (label: string, value: string) =>
    el('span', { class: 'fact' }, el('b', {}, value), ` ${label}`);
  const number = (name: string) => distance(Number(of[name]));
  const match =
    { same_bytes: 'the same bytes', same_features: 'the same features', near: '' }[
      String(of.match)
    ] ?? '';
  const far =
    of.match === 'near'
      ? [fact(`apart (counts below ${threshold})`, number('distance'))]
      : [fact('', match)];
  switch (kind) {
    case 'leak':
      return [fact('', (of.parts as string[]).join(' in ')), ...far];
    case 'two_classes':
      return [fact('images', count(images)), ...far];
    case 'exact_duplicate':
      return [
        fact('images', count(images)),
        fact('each', `${count(Number(of.bytes))} bytes`),
        fact('', `SHA-256 ${String(of.sha256).slice(0, 12)}…`),
      ];
    case 'same_features':
      return [fact('images', count(images)), fact('', String(of.bytes))];
    case 'near_duplicate':
      return of.pairs === 1
        ? [fact('apart', number('closest'))]
        : [
            fact('images', count(images)),
            fact('apart at the closest', number('closest')),
            fact('the widest link', number('widestLink')),
          ];
    case 'outlier': {
      const near = of.nearestClasses as readonly string[] | undefined;
      return [
        fact('deviations beyond its class', Number(of.score).toFixed(1)),
        fact(
          `from the centre; half of the class within ${number('classMedian')}`,
          number('distance'),
        ),
        ...(near === undefined ? [] : [fact('nearest', tally(near))]),
      ];
    }
  }
}

function tally(classes: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of classes) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, n]) => `${n} × ${name}`).join(', ');
}

/** What a kind of finding is, or that there is none. */
export function explain(kind: FindingKind, { findings, points }: PageData): string {
  const { near, outlierScore, parts, measuredIn } = findings;
  const by =
    measuredIn === 'features'
      ? 'by their full feature vectors'
      : `by their ${points.layers[0]?.k ?? 0} components alone`;
  const none = findings.counts[kind].findings === 0;
  const images = count(findings.counts[kind].images);
  if (measuredIn === 'equality' && (kind === 'near_duplicate' || kind === 'outlier')) {
    return 'Not looked for: the table keeps no components (--k 0), and its vectors are too long to fit some for this page. Copies are found by equality.';
  }
  switch (kind) {
    case 'leak':
      if (parts.length === 0) {
        return 'No parts to compare: the origins have no folders such as Training and Test. `img2features report <run> --compare A B` names them.';
      }
      return none
        ? `No image of ${parts.slice(1).join(', ')} is also in ${parts[0]}, neither exactly nor within ${near}.`
        : `Images of ${parts.slice(1).join(', ')} that are also in ${parts[0]}, exactly or within ${near} of the distance of two random images. A model tested on them is tested on what it has seen.`;
    case 'two_classes':
      return none
        ? 'No image is in two classes.'
        : 'The same image in two classes: one label is wrong, or both are intended.';
    case 'exact_duplicate':
      return none
        ? 'No two images have the same bytes.'
        : `${images} images share their bytes with another (SHA-256 of the files, read again).`;
    case 'same_features':
      return none
        ? 'No two images have the same features and different (or unread) bytes.'
        : `${images} images have exactly the feature vector of another, but their bytes differ or could not be read again.`;
    case 'near_duplicate':
      return none
        ? `No two images are closer than ${near} of the distance of two random images.`
        : `${images} images are closer to another than ${near} of the distance of two random images, measured ${by}: recoded or resized copies, or photographs taken a moment apart. Images linked in a chain are shown together.`;
    case 'outlier':
      return none
        ? `No image is more than ${outlierScore} deviations further from the centre of its class than half of the class.`
        : `Images more than ${outlierScore} robust deviations (median absolute deviation) further from the centre of their class than its median: odd pictures, or wrong labels where the nearest images are of another class. Classes of fewer than 10 images are left out.`;
  }
}
