import {
  Binary,
  Field,
  Int64,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { Table as WasmTable, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm';

export interface ParquetRow {
  readonly bytes: string | Uint8Array | null;
  readonly label: number | null;
}

export interface ParquetOptions {
  /** Rows in a group. */
  readonly groupRows: number;
  /** Names of the labels, as `datasets` writes them into the metadata, with a mark for the image. */
  readonly names?: readonly string[];
  /** Further columns of text. */
  readonly texts?: Readonly<Record<string, readonly string[]>>;
}

/** A file as `datasets` writes it: `image` of bytes and path, `label`, and `id`, the number of the row. */
export function parquetImages(
  rows: readonly ParquetRow[],
  { groupRows, names, texts = {} }: ParquetOptions,
): Uint8Array {
  const struct = new Struct([
    new Field('bytes', new Binary(), true),
    new Field('path', new Utf8(), true),
  ]);
  const images = rows.map(({ bytes }, i) => ({
    bytes: bytes === null ? null : Uint8Array.from(Buffer.from(bytes as Uint8Array)),
    path: `${i}.jpg`,
  }));
  const numbers = (values: readonly (number | null)[]) =>
    vectorFromArray(
      values.map((value) => (value === null ? null : BigInt(value))),
      new Int64(),
    );
  const columns = {
    image: vectorFromArray(images, struct as never),
    label: numbers(rows.map(({ label }) => label)),
    id: numbers(rows.map((_, i) => i)),
    ...Object.fromEntries(
      Object.entries(texts).map(([name, values]) => [name, vectorFromArray(values, new Utf8())]),
    ),
  };
  const table = WasmTable.fromIPCStream(tableToIPC(new Table(columns as never), 'stream'));
  const features = { image: { _type: 'Image' }, label: { _type: 'ClassLabel', names } };
  const builder = new WriterPropertiesBuilder().setMaxRowGroupSize(groupRows);
  const properties = names
    ? builder.setKeyValueMetadata(
        new Map([['huggingface', JSON.stringify({ info: { features } })]]),
      )
    : builder;
  return writeParquet(table, properties.build());
}
