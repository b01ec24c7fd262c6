import { expect, test } from 'vitest';
import { takeContents, takenContents } from '../../src/s3/list-xml.ts';

const page = (contents: string, encoding = '<EncodingType>url</EncodingType>') =>
  `<?xml version="1.0"?><ListBucketResult><Name>b</Name>${encoding}<IsTruncated>true</IsTruncated>${contents}<NextContinuationToken>t</NextContinuationToken></ListBucketResult>`;
const content = (key: string, more = '') =>
  `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;ab&#45;&#x31;&quot;</ETag><Size>7</Size>${more}</Contents>`;

function take(xml: string) {
  const input = {};
  const rest = takeContents(Buffer.from(xml), input).toString();
  return { rest, objects: takenContents(input) };
}

test('objects are taken as the SDK would read them, and the rest of the page stays', () => {
  const owner = '<Owner><ID>Key</ID><DisplayName>a &amp; b</DisplayName></Owner>';
  const { rest, objects } = take(page(content('a+b%2Bc%C3%BC.jpg', owner) + content('x.jpg')));
  expect(rest).toBe(page(''));
  const same = { size: 7, etag: 'ab-1', modified: '2026-01-01T00:00:00.000Z' };
  expect(objects).toEqual([
    { key: 'a b+cü.jpg', ...same },
    { key: 'x.jpg', ...same },
  ]);
  expect(take(page(content('a+b&amp;%41'), '')).objects?.[0].key).toBe('a+b&%41');
});

test.each([
  ['a comment', page(`<!-- <Contents></Contents> -->${content('a')}`)],
  ['a section', page(content('<![CDATA[a]]>'))],
  ['a tag with attributes', page(content('a').replace('<Key>', '<Key type="x">'))],
  ['an object without a size', page(content('a').replace('<Size>7</Size>', ''))],
  ['no object', page('')],
])('a page with %s is left to the SDK', (_, xml) => {
  expect(take(xml)).toEqual({ rest: xml, objects: undefined });
});
