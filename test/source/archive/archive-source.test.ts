import { mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import { openSource } from '../../../src/source/open-source.ts';
import type { Listed, OriginForm, SourceEntry } from '../../../src/source/source.ts';
import { writeZip } from '../../convert/write-zip.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { paxRecord, TAR_END, type TarMember, writeTar } from './write-tar.ts';

const signal = AbortSignal.timeout(60_000);

const open = (input: string, originForm: OriginForm = 'relative') =>
  openSource(input, { originForm, s3: {} as never });

async function list(input: string, originForm?: OriginForm) {
  const source = open(input, originForm);
  const listed: Listed[] = [];
  for await (const one of source.list(signal)) listed.push(one);
  return {
    source,
    images: listed.flatMap((one) => (one.kind === 'image' ? [one.entry] : [])),
    rejections: listed.flatMap((one) => (one.kind === 'rejected' ? [one.rejection] : [])),
    skipped: listed.flatMap((one) => (one.kind === 'skipped' ? [one.why] : [])).sort(),
  };
}

async function put(name: string, ...parts: Uint8Array[]): Promise<string> {
  const path = join(await temporaryFolder(), name);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

const named = (entries: readonly SourceEntry[]) => entries.map((e) => [e.origin, e.target]);
const read = async (input: string, entry: SourceEntry) =>
  Buffer.from(await open(input).read(entry, signal)).toString();

const file = (name: string, content = `of ${name}`): TarMember => ({
  name,
  content: Buffer.from(content),
});

test('members of a tar, a tar.gz and a zip are listed and read as the files of a folder', async () => {
  const members = ['a/1.jpg', 'a/b/2.png', './c/3.gif', 'top.jpg', 'a/notes.md', '.git/x.jpg'];
  const tar = Buffer.concat([writeTar(members.map((name) => file(name))), TAR_END]);
  const zip = writeZip(
    members.map((name, i) => ({ name, content: Buffer.from(`of ${name}`), isPacked: i % 2 === 0 })),
  );
  vi.stubEnv('IMG2FEATURES_CACHE', await temporaryFolder());
  const paths = [
    await put('set.tar', tar),
    await put('set.tar.gz', gzipSync(tar)),
    await put('set.zip', zip),
  ];
  for (const path of paths) {
    const { images, skipped, rejections } = await list(path);
    expect(named(images)).toEqual([
      ['a/1.jpg', 'a'],
      ['a/b/2.png', 'b'],
      ['c/3.gif', 'c'],
      ['top.jpg', 'set'],
    ]);
    expect(skipped).toEqual(['extension .md', 'folder .git']);
    expect(rejections).toEqual([]);
    expect(images[0].size).toBe(10);
    // By a source that has listed nothing, as a report does.
    expect(await read(path, images[0])).toBe('of a/1.jpg');
    expect(await read(path, images[3])).toBe('of top.jpg');
  }
  vi.unstubAllEnvs();
});

test('origins have the archive in front, and its name also where several are read', async () => {
  const folder = await temporaryFolder();
  for (const i of ['08', '09', '10']) {
    writeFileSync(
      join(folder, `train-${i}.tar`),
      Buffer.concat([writeTar([file('1.jpg')]), TAR_END]),
    );
  }
  const one = join(folder, 'train-08.tar');
  expect((await list(one, 'path')).images[0].origin).toBe(`${one}/1.jpg`);
  expect((await list(one, 'url')).images[0].origin).toBe(`file://${one}/1.jpg`);
  const { images } = await list(join(folder, 'train-{08..10}.tar'));
  expect(named(images)).toEqual([
    ['train-08.tar/1.jpg', 'train-08'],
    ['train-09.tar/1.jpg', 'train-09'],
    ['train-10.tar/1.jpg', 'train-10'],
  ]);
  await expect(list(join(folder, 'train-{08..11}.tar'))).rejects.toThrow(
    `found nothing at ${join(folder, 'train-11.tar')}`,
  );
  await expect(list(join(folder, 'train-{11..08}.tar'))).rejects.toThrow('numbers that go up');
});

test('the class of a sample is in its .cls, else in its .json or .txt, which is told', async () => {
  const path = await put(
    'shard.tar',
    writeTar([
      file('x/000.left.jpg'),
      file('x/000.cls', '7\n'),
      file('x/000.txt', 'a caption'),
      file('x/001.json', '{"label": "kiwi", "width": 3}'),
      file('x/001.jpg'),
      file('x/002.jpg'),
      file('x/002.txt', 'plum'),
      file('x/003.jpg'),
      file('x/003.json', '{"width": 3}'),
      file('x/004.md', 'no class'),
    ]),
    TAR_END,
  );
  const { images, source, skipped } = await list(path);
  expect(named(images)).toEqual([
    ['x/000.left.jpg', '7'],
    ['x/001.jpg', 'kiwi'],
    ['x/002.jpg', 'plum'],
    ['x/003.jpg', 'x'],
  ]);
  expect(skipped).toEqual(['extension .md']);
  expect(source.notes?.()).toEqual([
    'Classes of 1 from their .json and of 1 from their .txt, which have no .cls.',
  ]);
});

test('long names, large sizes and links of a tar are read in both of its formats', async () => {
  const long = `${'d/'.repeat(120)}ü.jpg`;
  const size = Buffer.alloc(12);
  size[0] = 0x80;
  size.writeUInt32BE(2, 8);
  const path = await put(
    'set.tar',
    writeTar([
      { name: 'pax', type: 'x', content: paxRecord('path', long) },
      file('cut', 'pax'),
      { name: '././@LongLink', type: 'L', content: Buffer.from(`${long}.png\0`) },
      file('cut', 'gnu'),
      { ...file('posix.jpg', 'prefix'), prefix: 'some/folder' },
      { ...file('gnu.jpg', 'no prefix'), magic: 'ustar  ', prefix: '14766554321' },
      { name: 'large.jpg', content: Buffer.from('ab'), sizeField: size },
      { name: 'pax', type: 'x', content: paxRecord('size', '3') },
      { name: 'sized.jpg', content: Buffer.from('abc'), sizeField: Buffer.from('00000000000\0') },
      { name: 'hard.jpg', type: '1', linkName: 'large.jpg' },
      { name: 'some/soft.jpg', type: '2', linkName: '../sized.jpg' },
      { name: 'folder.jpg/', type: '5' },
    ]),
    TAR_END,
  );
  const { images, rejections } = await list(path);
  expect(rejections).toEqual([]);
  const contents = images.map(async (entry) => [entry.origin, await read(path, entry)]);
  expect(await Promise.all(contents)).toEqual([
    [long, 'pax'],
    [`${long}.png`, 'gnu'],
    ['some/folder/posix.jpg', 'prefix'],
    ['gnu.jpg', 'no prefix'],
    ['large.jpg', 'ab'],
    ['sized.jpg', 'abc'],
    ['hard.jpg', 'ab'],
    ['some/soft.jpg', 'abc'],
  ]);
});

test('archives joined one behind the other are read to the end of the last', async () => {
  const part = (name: string) => Buffer.concat([writeTar([file(name)]), TAR_END]);
  const { images } = await list(
    await put('set.tar', part('1.jpg'), Buffer.alloc(9728), part('2.jpg')),
  );
  expect(images.map(({ origin }) => origin)).toEqual(['1.jpg', '2.jpg']);
});

test('members that give no row are rejected by name, the others are read', async () => {
  const tar = await put(
    'set.tar',
    writeTar([
      file('ok.jpg'),
      file('../out.jpg'),
      file('/abs.jpg'),
      { name: Buffer.from('b\xe4d.jpg', 'latin1'), content: Buffer.from('x') },
      { name: 'to.jpg', type: '2', linkName: '/etc/passwd' },
      { name: 'pipe.jpg', type: '6' },
      { name: 'pax', type: 'x', content: paxRecord('GNU.sparse.major', '1') },
      file('holes.jpg'),
    ]),
    TAR_END,
  );
  const { images, rejections } = await list(tar);
  expect(named(images)).toEqual([['ok.jpg', 'set']]);
  expect(rejections.map(({ origin, reason }) => [origin, reason])).toEqual([
    ['../out.jpg', 'unreadable'],
    ['/abs.jpg', 'unreadable'],
    ['b\\xe4d.jpg', 'name_not_utf8'],
    ['pipe.jpg', 'not_a_file'],
    ['holes.jpg', 'unreadable'],
    ['to.jpg', 'broken_link'],
  ]);

  const content = Buffer.from('some content that is long enough to be deflated deflated deflated');
  const bytes = writeZip([
    { name: 'ok.jpg', content },
    { name: 'locked.jpg', content },
    { name: 'method.jpg', content },
    { name: 'bomb.jpg', content, isPacked: true, declaredSize: 3 },
    { name: 'sum.jpg', content },
  ]);
  const directory = (name: string) => bytes.lastIndexOf(name) - 46;
  bytes[directory('locked.jpg') + 8] = 1;
  bytes[directory('method.jpg') + 10] = 93;
  bytes[directory('sum.jpg') + 16] ^= 1;
  const zip = await put('set.zip', bytes);
  const inZip = await list(zip);
  expect(inZip.rejections.map(({ origin, message }) => [origin, message])).toEqual([
    ['locked.jpg', 'Expected a readable member but found it encrypted.'],
    ['method.jpg', expect.stringContaining('compression method 93')],
  ]);
  expect(await read(zip, inZip.images[0])).toBe(content.toString());
  await expect(read(zip, inZip.images[1])).rejects.toMatchObject({ reason: 'corrupt' });
  await expect(read(zip, inZip.images[2])).rejects.toMatchObject({ reason: 'corrupt' });
});

test('an archive that is cut or damaged is one error that names the place, never fewer rows', async () => {
  const tar = writeTar([file('1.jpg'), file('2.jpg', 'x'.repeat(600))]);
  const cases: [string, Buffer, string][] = [
    ['cut.tar', tar.subarray(0, 1024 + 512 + 100), 'ends inside 2.jpg, at byte 1636'],
    ['header.tar', tar.subarray(0, 1024 + 100), 'ends inside a header at byte 1024'],
    ['other.tar', Buffer.concat([tar, Buffer.alloc(512, 7)]), 'no header of a tar at byte 2560'],
    ...[
      paxRecord('size', '-1'),
      paxRecord('size', 'ten'),
      paxRecord('size', '1e3'),
      Buffer.from('99 path=a.jpg\n'),
      Buffer.from('path=a.jpg\n'),
    ].map((content): [string, Buffer, string] => [
      'pax.tar',
      Buffer.concat([writeTar([{ name: 'pax', type: 'x', content }]), tar]),
      'a damaged header of names and sizes at byte 512',
    ]),
    ['cut.tar.gz', gzipSync(tar).subarray(0, -20), 'unexpected end of file'],
    [
      'cut.zip',
      writeZip([{ name: '1.jpg', content: tar }]).subarray(0, -30),
      'Expected a whole archive',
    ],
  ];
  vi.stubEnv('IMG2FEATURES_CACHE', await temporaryFolder());
  for (const [name, bytes, message] of cases) {
    await expect(list(await put(name, bytes)), name).rejects.toThrow(message);
  }
  vi.unstubAllEnvs();
});

test('members of an archive that has changed since it was listed are rejected as changed', async () => {
  const path = await put('set.tar', writeTar([file('1.jpg')]), TAR_END);
  const { images } = await list(path);
  utimesSync(path, new Date(), new Date(statSync(path).mtimeMs + 5000));
  await expect(read(path, images[0])).rejects.toMatchObject({ reason: 'changed' });
});

test('a folder may have the name of an archive', async () => {
  const folder = join(await temporaryFolder(), 'images.tar');
  mkdirSync(folder);
  writeFileSync(join(folder, '1.jpg'), 'x');
  expect((await list(folder)).images).toHaveLength(1);
});

test('the split is read from the names of archives, as from folders', async () => {
  const folder = await temporaryFolder();
  for (const name of ['train-00', 'val', 'trainer', 'test_1']) {
    writeFileSync(join(folder, `${name}.tar`), Buffer.concat([writeTar([file('1.jpg')]), TAR_END]));
  }
  const options = { originForm: 'relative', splitFromFolders: true, s3: {} as never } as const;
  const source = openSource(join(folder, '*.tar'), options);
  const splits: (string | undefined)[][] = [];
  for await (const one of source.list(signal)) {
    if (one.kind === 'image') splits.push([one.entry.origin, one.entry.split]);
  }
  expect(splits).toEqual([
    ['test_1.tar/1.jpg', 'test'],
    ['train-00.tar/1.jpg', 'train'],
    ['trainer.tar/1.jpg', ''],
    ['val.tar/1.jpg', 'val'],
  ]);
  expect(source.notes?.()).toEqual([
    expect.stringContaining('1 images are in no folder or archive'),
  ]);
});
