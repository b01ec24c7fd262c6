import type { DataType as AnyType, Field, Schema } from 'apache-arrow';
import type { ParquetFile } from 'parquet-wasm';
import { SourceError } from '../../errors.ts';
import { show } from '../../json.ts';
import { type ListColumns, OWN_NAMES, SPLIT_NAMES, TARGET_NAMES, textOf } from '../row-columns.ts';

const IMAGE_NAMES = ['image', 'img', 'picture', 'photo', 'jpg', 'png', 'bytes', 'content'];
const LABEL_NAMES = [...TARGET_NAMES, 'cls'];

/** Which columns of a Parquet file mean what: names, with a dot between a struct's and its field's. */
export interface ParquetColumns {
  readonly bytes: string;
  /** The image's path, where it is known. */
  readonly path: string | undefined;
  readonly label: string | undefined;
  readonly split: string | undefined;
  readonly kept: readonly string[];
  /** Columns that are not read. */
  readonly others: readonly string[];
  /** A value as text, by the names that the file's metadata gives to the numbers of a column (ClassLabel). */
  textOf(column: string, value: unknown): string;
}

/**
 * The column of images is the one that the user names, `datasets` marks, or that alone can be one; the others are named by the user or
 * by usual names.
 * @throws SourceError where no column has images, several have, or one is missing that the user names
 */
export async function findColumns(
  file: ParquetFile,
  path: string,
  wanted: ListColumns,
): Promise<ParquetColumns> {
  const { DataType, tableFromIPC } = await import('apache-arrow');
  const schema: Schema = tableFromIPC(file.schema().intoIPCStream()).schema;
  const features = featuresOf(file);
  const names = schema.fields.map(({ name }) => name);
  const given = (name: string | undefined) => {
    if (name === undefined) return undefined;
    // A field of a struct, such as image.path, is one, too.
    if (names.includes(name) || names.includes(name.split('.')[0])) return name;
    throw new SourceError(
      `Expected a column ${show(name)} in ${path} but found ${names.map(show).join(', ')}.`,
      { fix: 'Name the columns as they are written in the file.' },
    );
  };
  const usual = (known: readonly string[]) =>
    known.flatMap((one) => names.filter((name) => name.toLowerCase() === one))[0];
  const image = imageField(schema, { features, path, DataType, given: given(wanted.path) });
  const label =
    given(wanted.target) ??
    names.find((name) => features[name]?._type === 'ClassLabel') ??
    usual(LABEL_NAMES);
  const split = wanted.ignoresSplit ? undefined : (given(wanted.split) ?? usual(SPLIT_NAMES));
  const rest = names.filter((name) => ![image.name, label, split].includes(name));
  const { keep = [] } = wanted;
  const isImage = (name: string) =>
    schema.fields.some(
      (field) => field.name === name && pathOfBytes(field, DataType) !== undefined,
    );
  const kept =
    keep === 'all'
      ? rest.filter((name) => !OWN_NAMES.includes(name) && !isImage(name))
      : keep.map((name) => given(name)!);
  const bytes = kept.find((name) => isImage(name) || name === pathOfBytes(image, DataType));
  if (bytes !== undefined) {
    throw new SourceError(
      `Expected text or numbers in a column for --keep-columns but found bytes in ${show(bytes)} of ${path}.`,
    );
  }
  const hasPath =
    DataType.isStruct(image.type) && image.type.children.some(({ name }) => name === 'path');
  return {
    bytes: pathOfBytes(image, DataType)!,
    path: hasPath ? `${image.name}.path` : undefined,
    label,
    split,
    kept,
    others: rest.filter((name) => !kept.includes(name)),
    textOf(column, value) {
      const classes = features[column]?.names;
      if (!Array.isArray(classes) || value === null) return textOf(value);
      // datasets writes -1 where there is no label.
      return Number(value) === -1 ? '' : (classes[Number(value)] ?? textOf(value));
    },
  };
}

interface ImageContext {
  readonly features: Readonly<Record<string, Feature | undefined>>;
  readonly path: string;
  readonly DataType: typeof AnyType;
  readonly given: string | undefined;
}

function imageField(schema: Schema, { features, path, DataType, given }: ImageContext): Field {
  const images = schema.fields.filter((field) => pathOfBytes(field, DataType) !== undefined);
  const marked = images.filter(({ name }) => features[name]?._type === 'Image');
  const named = IMAGE_NAMES.flatMap((name) => images.filter((field) => field.name === name));
  const [image, ...more] =
    given !== undefined
      ? images.filter(({ name }) => name === given)
      : marked.length > 0
        ? marked
        : images.length === 1
          ? images
          : named.slice(0, 1);
  if (image !== undefined && more.length === 0) return image;
  const found =
    images.length > 0
      ? images.map(({ name }) => name).join(', ')
      : `none among ${schema.fields.map(String).join(', ')}`;
  throw new SourceError(
    `Expected ${given === undefined ? 'one column of images' : `images in the column ${show(given)}`} in ${path} but found ${found}.`,
    {
      fix: 'A column of images is binary, or a struct { bytes: binary, path: string }; where there are several, name one by --path-column.',
    },
  );
}

function pathOfBytes({ name, type }: Field, DataType: typeof AnyType): string | undefined {
  const isBinary = (one: AnyType) => DataType.isBinary(one) || DataType.isLargeBinary(one);
  if (isBinary(type)) return name;
  if (!DataType.isStruct(type)) return undefined;
  return type.children.some((field) => field.name === 'bytes' && isBinary(field.type))
    ? `${name}.bytes`
    : undefined;
}

interface Feature {
  readonly _type?: string;
  readonly names?: readonly string[];
}

/** What `datasets` writes of its columns; nothing where another program wrote the file. */
function featuresOf(file: ParquetFile): ImageContext['features'] {
  try {
    const text = file.metadata().fileMetadata().keyValueMetadata().get('huggingface');
    return JSON.parse(text).info?.features ?? {};
  } catch {
    return {};
  }
}
