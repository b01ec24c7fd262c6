import { expect, test } from 'vitest';
import { countInput } from '../../src/dry-run/count-input.ts';
import { ManifestBuilder } from '../../src/run/manifest.ts';

function manifestOf(images: readonly (readonly [path: string, size: number])[]) {
  const builder = new ManifestBuilder();
  for (const [path, size] of images) {
    const [target = ''] = path.split('/');
    const entry = { origin: path, target, location: `/data/${path}`, size, version: '1' };
    builder.add({ kind: 'image', entry });
  }
  builder.add({ kind: 'skipped', why: 'extension .txt' });
  builder.add({
    kind: 'rejected',
    rejection: { origin: 'lost.jpg', reason: 'broken_link', message: 'leads nowhere' },
  });
  return builder.freeze();
}

test('counts images and bytes by class and by extension', () => {
  const counts = countInput(
    manifestOf([
      ['b/1.JPG', 10],
      ['a/2.png', 20],
      ['a/3.jpg', 30],
    ]),
  );
  expect(counts).toMatchObject({
    images: 3,
    bytes: 60,
    ignored: 1,
    skipped: { 'extension .txt': 1 },
    classes: { a: 2, b: 1 },
    classBytes: { a: 50, b: 10 },
    extensions: { jpg: 2, png: 1 },
    repeatedNames: 0,
    sameNameAndSize: 0,
    nameBytes: 3 * ('b/1.JPG'.length + 1),
  });
  expect(counts.rejections).toHaveLength(1);
});

test('a name in two folders is told; with the same size the two are named', () => {
  const counts = countInput(
    manifestOf([
      ['a/1.jpg', 10],
      ['b/1.jpg', 11],
      ['c/1.jpg', 10],
      ['a/2.jpg', 5],
      ['b/2.jpg', 6],
      ['b/3.jpg', 6],
    ]),
  );
  expect([counts.repeatedNames, counts.sameNameAndSize]).toEqual([2, 1]);
  expect(counts.repeatedExamples).toEqual([
    { name: '1.jpg', origins: ['a/1.jpg', 'c/1.jpg'] },
    { name: '2.jpg', origins: ['a/2.jpg', 'b/2.jpg'] },
  ]);
});
