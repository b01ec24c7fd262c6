import { expect } from 'vitest';

type ErrorClass<T> = abstract new (...args: never[]) => T;

/** The error of class `type` that `act` throws. */
export function caught<T>(type: ErrorClass<T>, act: () => unknown): T {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(type);
    return error as T;
  }
  return expect.fail('nothing was thrown');
}

/** The error of class `type` that `promise` is rejected with. */
export async function rejection<T>(type: ErrorClass<T>, promise: Promise<unknown>): Promise<T> {
  const error = await promise.then(
    () => expect.fail('it was not rejected'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  return error as T;
}
