export interface TarMember {
  readonly name: string | Buffer;
  readonly content?: Uint8Array;
  /** Default: a file, '0'. */
  readonly type?: string;
  readonly linkName?: string;
  /** Bytes of the size field, in place of octal digits. */
  readonly sizeField?: Buffer;
  readonly magic?: string;
  readonly prefix?: string;
}

/** A tar by hand, without the blocks of zeros at its end. */
export function writeTar(members: readonly TarMember[]): Buffer {
  return Buffer.concat(members.flatMap((member) => [header(member), padded(member.content)]));
}

/** The end of an archive. */
export const TAR_END = Buffer.alloc(1024);

export function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function padded(content: Uint8Array = new Uint8Array(0)): Buffer {
  return Buffer.concat([content, Buffer.alloc(-content.length & 511)]);
}

function header(member: TarMember): Buffer {
  const { name, content, type = '0', linkName = '', sizeField, magic = 'ustar\0', prefix } = member;
  const block = Buffer.alloc(512);
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write('0000644\0', 100, 'latin1');
  block.write(`${(content?.length ?? 0).toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  sizeField?.copy(block, 124);
  block.write('00000000000\0', 136, 'latin1');
  block.write(type, 156, 'latin1');
  block.write(linkName, 157, 'latin1');
  block.write(magic, 257, 'latin1');
  if (prefix !== undefined) block.write(prefix, 345, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
