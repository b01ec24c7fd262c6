import { expect, test } from 'vitest';
import { writeRejections } from '../../src/run/rejections.ts';
import { memoryStore } from '../export/sample.ts';

test('writes one line an image, sorted by the bytes of its origin', async () => {
  const store = memoryStore();
  const written = await writeRejections(store, [
    { origin: 'in/🍎.jpg', reason: 'truncated', message: 'Expected more.' },
    { origin: 'in/\ufffd.jpg', reason: 'name_not_utf8', message: 'Expected "text".' },
    { origin: 'in/a\nb.jpg', reason: 'empty_file', message: '' },
  ]);
  expect(String(store.files.get('rejected.jsonl'))).toBe(
    '{"origin":"in/a\\nb.jpg","reason":"empty_file","message":""}\n' +
      '{"origin":"in/\ufffd.jpg","reason":"name_not_utf8","message":"Expected \\"text\\"."}\n' +
      '{"origin":"in/🍎.jpg","reason":"truncated","message":"Expected more."}\n',
  );
  expect(written.name).toBe('rejected.jsonl');
});

test('a name shows its control and direction characters, and is the same name when read', async () => {
  const store = memoryStore();
  const origin = 'in/\u009b31m\u202egpj.exe\u0085';
  await writeRejections(store, [{ origin, reason: 'corrupt', message: '' }]);
  const text = String(store.files.get('rejected.jsonl'));
  expect(text).toContain('in/\\u009b31m\\u202egpj.exe\\u0085');
  expect(JSON.parse(text).origin).toBe(origin);
});

test('writes an empty file when nothing was rejected', async () => {
  const store = memoryStore();
  expect(await writeRejections(store, [])).toMatchObject({ name: 'rejected.jsonl', bytes: 0 });
});

test('leaves nothing open when the store fails', async () => {
  const store = memoryStore();
  const create = store.create;
  store.create = async (name) => ({
    ...(await create(name)),
    write: () => Promise.reject(new Error('full')),
  });
  const rejection = { origin: 'a', reason: 'corrupt', message: '' } as const;
  await expect(writeRejections(store, [rejection])).rejects.toThrow('full');
  expect(store.open.size).toBe(0);
});
