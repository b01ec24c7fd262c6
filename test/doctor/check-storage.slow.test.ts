import { afterAll, describe, expect, test, vi } from 'vitest';
import { checkS3 } from '../../src/doctor/check-storage.ts';
import { NO_STORE, openTestStore, type TestStore, testOptions } from '../s3/store.ts';
import { skipIf } from '../skip-if.ts';

const store: TestStore | undefined = await openTestStore('full', 'empty');
afterAll(() => store?.stop());

describe('the store', skipIf(!store, NO_STORE), () => {
  const { signal } = new AbortController();
  const options = () => testOptions(store!.endpoint, { patienceMs: 2000 });

  test('lists one key of what can be reached, and says where nothing is yet', async () => {
    await store!.put('full', 'images/a/1.jpg', 'x');
    const check = await checkS3(['s3://full/images', 's3://empty/'], options(), signal);
    expect(check.status).toBe('ok');
    expect(check.facts.addresses).toMatchObject([
      { reachable: true, firstKey: 'images/a/1.jpg' },
      { reachable: true, firstKey: null },
    ]);
  });

  test('no bucket, a refused key, no credentials and no server are four different errors', async () => {
    const messages: string[] = [];
    const ask = async (url: string, endpoint = store!.endpoint) => {
      const { findings } = await checkS3([url], { ...options(), endpoint }, signal);
      expect(findings).toHaveLength(1);
      expect(findings[0]).toMatchObject({ severity: 'problem', fix: expect.stringMatching(/./) });
      messages.push(findings[0]!.message);
    };
    await ask('s3://no-such-bucket-here/x');
    await ask('s3://full/x', 'http://127.0.0.1:9');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody');
    if (store!.kind === 'versitygw') await ask('s3://full/x');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', '');
    vi.stubEnv('AWS_ACCESS_KEY_ID', '');
    await ask('s3://full/x');
    vi.unstubAllEnvs();
    expect(messages[0]).toMatch(/no bucket no-such-bucket-here/);
    expect(messages.at(-1)).toMatch(/no credentials/);
    expect(new Set(messages.map((message) => message.replace(/s3:\/\/\S+/, ''))).size).toBe(
      messages.length,
    );
  });
});
