import { expect, test } from 'vitest';
import { encodeKey, signGet } from '../../src/s3/direct-get.ts';

const CREDENTIALS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

test('the example of the S3 documentation gets the signature printed there', () => {
  const request = {
    host: 'examplebucket.s3.amazonaws.com',
    path: '/test.txt',
    date: new Date('2013-05-24T00:00:00.000Z'),
    region: 'us-east-1',
    amzHeaders: { range: 'bytes=0-9' },
  };
  expect(signGet(request, CREDENTIALS)).toEqual({
    host: 'examplebucket.s3.amazonaws.com',
    range: 'bytes=0-9',
    'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'x-amz-date': '20130524T000000Z',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  });
});

test('a session token travels signed, and the key of another day is another', () => {
  const request = { host: 'h', path: '/b/k', date: new Date('2026-01-02'), region: 'eu-west-1' };
  const signed = signGet(request, { ...CREDENTIALS, sessionToken: 'token' });
  expect(signed['x-amz-security-token']).toBe('token');
  expect(signed.authorization).toContain('x-amz-date;x-amz-security-token,');
  const next = signGet({ ...request, date: new Date('2026-01-03') }, CREDENTIALS);
  expect(next.authorization).toContain('/20260103/eu-west-1/s3/');
});

test('keys are encoded as S3 signs them: all but unreserved characters and slashes', () => {
  expect(encodeKey("a b/ü+%41/!'()*~-_.jpg")).toBe('a%20b/%C3%BC%2B%2541/%21%27%28%29%2A~-_.jpg');
});
