import { classesSection, timeSection, varianceSection } from './charts.ts';
import { detailsSection } from './details-section.ts';
import { el, note, visible } from './dom.ts';
import { findingsSection } from './findings-section.ts';
import { header, navigation } from './header.ts';
import { mapSection } from './map-section.ts';
import { palette } from './palette.ts';
import { readData, readPoints } from './points.ts';
import { rejectedSection } from './rejected-section.ts';
import { openThumbs } from './thumbs.ts';

/** Builds the page from the data in it. Everything gets its place at once, so that nothing moves later. */
function show(): void {
  const data = readData();
  const points = readPoints(data.points);
  const thumbs = openThumbs(data.thumbs);
  const colors = palette(data.classes.length);
  const app = document.getElementById('app')!;
  document.title = `${visible(data.target)} · img2features`;
  const hasMap = points.k > 0 && points.count > 0;
  const map = hasMap ? mapSection(data, points, thumbs, colors) : undefined;
  const toMap = (point: number): void => {
    map?.select(point);
    map?.element.scrollIntoView({ block: 'start' });
  };
  app.replaceChildren(
    header(data),
    navigation(),
    map?.element ??
      el(
        'section',
        { id: 'map' },
        el('h2', {}, 'Map'),
        note('There are no components to draw: the table has no rows, or keeps none (--k 0).'),
      ),
    findingsSection(data, thumbs, toMap),
    pair(
      classesSection(data, colors),
      varianceSection(data),
      timeSection(data),
      data.classes.length > 12,
    ),
    rejectedSection(data),
    detailsSection(data),
  );
  app.dataset.ready = 'true';
}

/** Two columns of about the same height: the third section is below the shorter one. */
function pair(
  left: HTMLElement,
  right: HTMLElement,
  third: HTMLElement,
  isLeftLonger: boolean,
): HTMLElement {
  const columns = isLeftLonger ? [[left], [right, third]] : [[left, third], [right]];
  return el('div', { class: 'pair' }, ...columns.map((column) => el('div', {}, ...column)));
}

show();
