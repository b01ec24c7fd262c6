import { timeSection, varianceSection } from './charts.ts';
import { classesSection } from './classes-section.ts';
import { detailsSection } from './details-section.ts';
import { el, note, visible } from './dom.ts';
import { findingsSection } from './findings-section.ts';
import { header, navigation } from './header.ts';
import { MapSection } from './map-section.ts';
import { readData, readPoints } from './points.ts';
import { qualitySection } from './quality-section.ts';
import { rejectedSection } from './rejected-section.ts';
import { openThumbs } from './thumbs.ts';

/** Builds the page from the data in it. Everything gets its place at once, so that nothing moves later. */
function show(): void {
  const data = readData();
  const points = readPoints(data.points);
  const thumbs = openThumbs(data.thumbs);
  const app = document.getElementById('app')!;
  document.title = `${visible(data.target)} · img2features`;
  const hasMap = points.layers.some(({ k }) => k > 0) && points.count > 0;
  const map = hasMap ? new MapSection(data, points, thumbs) : undefined;
  const toMap = (point: number): void => {
    map?.select(point);
    map?.element.scrollIntoView({ block: 'start' });
  };
  app.replaceChildren(
    header(data),
    navigation(data),
    map?.element ?? noMap(),
    findingsSection(data, thumbs, toMap),
    ...[qualitySection(data, points, thumbs, toMap) ?? []].flat(),
    classesSection(data, points, thumbs, toMap),
    el('div', { class: 'pair' }, varianceSection(data), timeSection(data)),
    rejectedSection(data),
    detailsSection(data),
  );
  app.dataset.ready = 'true';
}

function noMap(): HTMLElement {
  const why = 'There are no components to draw: the table has no rows, or keeps none (--k 0).';
  return el('section', { id: 'map' }, el('h2', {}, 'Map'), note(why));
}

show();
