import { expect, test } from 'vitest';
import { Closers } from '../src/closers.ts';

test('everything is closed, the newest first, also where one fails; the first error is thrown', async () => {
  const closers = new Closers();
  const closed: string[] = [];
  const closer = (name: string) => ({ close: async () => void closed.push(name) });
  closers.add(closer('first').close);
  closers.add(() => {
    throw new Error('second');
  });
  closers.addOpening(Promise.reject(new Error('never opened')));
  closers.addOpening(Promise.resolve(closer('third')));
  closers.add(async () => {
    throw new Error('fourth');
  });
  await expect(closers.close()).rejects.toThrow('fourth');
  expect(closed).toEqual(['third', 'first']);
  await closers.close(); // nothing is left
});
