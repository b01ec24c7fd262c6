import { textLines } from '../../storage/byte-streams.ts';
import { inBatches, type ReadTable, type TableBatch, type TableRow } from '../table-batch.ts';

/** See ReadTable. The shortest decimal of a float32 reads back as the same float32. */
export async function* readJsonTable(
  ...[files, name, columns]: Parameters<ReadTable>
): AsyncGenerator<TableBatch> {
  yield* inBatches(rows(textLines(files.stream(name))), columns);
}

async function* rows(lines: AsyncIterable<string>): AsyncGenerator<TableRow> {
  for await (const line of lines) {
    const cells = JSON.parse(line) as Record<string, unknown>;
    yield { origin: cells.origin, target: cells.target, cells };
  }
}
