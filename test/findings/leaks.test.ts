import { expect, test } from 'vitest';
import { partsByFolder, partsBySplit } from '../../src/findings/leaks.ts';

test('folders named Training and Test are parts, Training first', () => {
  const parts = partsByFolder(['d/Test/a/1.jpg', 'd/Training/a/2.jpg', 'd/other/3.jpg'], undefined);
  expect(parts).toEqual({ names: ['Training', 'Test'], of: Int8Array.of(1, 0, -1) });
});

test('one such folder alone is no comparison', () => {
  expect(partsByFolder(['train/a/1.jpg', 'a/2.jpg'], undefined)).toBeUndefined();
});

test("a file's own name is no folder", () => {
  expect(partsByFolder(['train/a/1.jpg', 'train/a/test'], undefined)).toBeUndefined();
});

test('named folders may be several segments deep, and match whole segments', () => {
  const origins = ['in/2024/test/1.jpg', 'in/2024/tests/2.jpg', 'in/2025/3.jpg', '2025/4.jpg'];
  expect(partsByFolder(origins, ['2025/', '2024/test'])!.of).toEqual(Int8Array.of(1, -1, 0, 0));
});

test('the splits of a table are its parts, what is trained on first; a row without one is of none', () => {
  const parts = partsBySplit(['test', 'train', '', 'val'], undefined);
  expect(parts).toEqual({ names: ['train', 'test', 'val'], of: Int8Array.of(1, 0, -1, 2) });
  expect(partsBySplit(['a', 'a', ''], undefined)).toBeUndefined();
  expect(partsBySplit([...'abcdefghi'], undefined)).toBeUndefined();
  expect(partsBySplit(['test', 'train', 'val'], ['val', 'train'])!.of).toEqual(
    Int8Array.of(-1, 1, 0),
  );
  // Then they are folders.
  expect(partsBySplit(['test', 'train'], ['test', 'other'])).toBeUndefined();
});
