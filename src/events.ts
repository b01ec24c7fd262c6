import type { RejectReason } from './image/decode-error.ts';
import type { Skipped } from './source/skipped.ts';

/** Events of a run; the command line shows them as lines, a progress bar or JSON. */
export type RunEvent =
  /** One thing the user should know: the device taken and why, a model that is not trained. */
  | { readonly event: 'note'; readonly message: string }
  /** Something is wrong but the run continues. */
  | { readonly event: 'warning'; readonly message: string }
  | {
      readonly event: 'listed';
      readonly images: number;
      readonly rejected: number;
      /** Sum of `skipped`. */
      readonly ignored: number;
      /** What the listing left out, by why. */
      readonly skipped: Skipped;
      readonly bytes: number;
    }
  | {
      readonly event: 'engine';
      readonly device: string;
      readonly deviceReason: string;
      readonly library: string;
      readonly startupMs: number;
    }
  | { readonly event: 'resumed'; readonly images: number; readonly total: number }
  /** How the input differs from the finished run that is brought up to date. */
  | ({ readonly event: 'update' } & UpdateReport)
  | {
      readonly event: 'rejected';
      readonly origin: string;
      readonly reason: RejectReason;
      readonly message: string;
    }
  | ProgressEvent
  /** What the run does, or waits for, from now on. */
  | {
      readonly event: 'stage';
      readonly stage: 'list' | 'engine' | 'warm-up' | 'extract' | 'reduce' | 'export' | 'report';
      /** What is listed or started. */
      readonly detail?: string;
    }
  | { readonly event: 'finished'; readonly summary: RunSummary };

/**
 * How the input differs from that of the finished run, in images (and files that the listing rejected). Without
 * `added` all but `relabelled` add up to the old list, without `removed` to the new one.
 */
export interface UpdateCounts {
  /** Same name, size, version (modification time, ETag), and for files change time and inode: the row is kept. */
  readonly unchanged: number;
  readonly added: number;
  readonly changed: number;
  /** No longer in the input. */
  readonly removed: number;
  /** Rejected by the finished run and the same since: rejected again without a try. */
  readonly rejectedBefore: number;
  /** The same since, but rejected for a reason that may no longer hold (unreadable then, more --image-timeout now): tried again. */
  readonly retried: number;
  /** Among `unchanged`: rows whose target alone is another (the list of images says so). */
  readonly relabelled: number;
}

/** What an update did, as run.json, the log and the summary show it. */
export interface UpdateReport extends UpdateCounts {
  /** Whether scaler and PCA were kept or fitted again; `none` with k = 0. */
  readonly reducer: 'kept' | 'refitted' | 'none';
}

export interface ProgressEvent {
  readonly event: 'progress';
  /** Images finished, with or without a row, those of earlier attempts included. */
  readonly done: number;
  readonly total: number;
  /** Images decoded, those that are done included: the difference waits for the network or for its shard. */
  readonly decoded: number;
  readonly rejected: number;
  /** Recent, and of this process alone: the last half minute, or half of its time where that is more. 0 before the first batch. */
  readonly imagesPerSecond: number;
  /** null before the first batch. */
  readonly secondsLeft: number | null;
}

/** The images of a finished run. */
export interface RunCounts {
  readonly discovered: number;
  /** Images with rows. */
  readonly extracted: number;
  /** Rows of the table, with --views; without it those of `extracted`. */
  readonly rows?: number;
  readonly rejected: number;
  readonly ignored: number;
  /** What the listing left out, by why; absent in runs of earlier builds. */
  readonly skipped?: Skipped;
  readonly rejectedByReason: Readonly<Record<string, number>>;
}

/** What a finished run says of itself; also the core of run.json. */
export interface RunSummary extends RunCounts {
  readonly out: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Share of the variance that the kept components explain, for each output. */
  readonly explainedVariance: Readonly<Record<string, number>>;
  /** Findings of each kind, as in run.json; absent without a report. */
  readonly findings?: Readonly<Record<FindingKind, KindCount>>;
  /** How well the features tell classes apart, or why that is not known; absent without a report. */
  readonly quality?: QualitySummary;
  readonly timing: RunTiming;
  /** Rows that this process computed; the others were computed before. */
  readonly computed: number;
  /** True when the run had finished before and nothing was left to do. */
  readonly wasComplete: boolean;
  /** Only of one of several jobs: the counts are those of its part. */
  readonly job?: {
    /** `3/16` */
    readonly shard: string;
    /** Images of all jobs. */
    readonly images: number;
  };
  /** Only of a merged run: how many jobs have computed it. */
  readonly jobs?: number;
  /** Only with --update on a finished run; with `wasComplete` nothing had changed. */
  readonly update?: UpdateReport;
}

/** One classifier's figure, by which layers are compared. */
export type QualitySummary =
  | { readonly none: string }
  | {
      readonly layer: string;
      readonly vectors: 'full' | 'reduced';
      readonly method: 'nearest' | 'probe';
      readonly neighbours?: number;
      readonly accuracy: number;
      readonly tested: number;
      /** The part that is tested; absent by folds. */
      readonly test?: string;
      /** Without tested images that have a copy among those trained on. */
      readonly withoutCopies: { readonly tested: number; readonly accuracy: number | null };
      /** Where there are several layers: whether this one is better by more than chance. */
      readonly isClear?: boolean;
    };

/** What a finding says. Kinds overlap: a copy in another class is also a copy. */
export type FindingKind =
  /** Images with the same bytes (SHA-256). */
  | 'exact_duplicate'
  /** Images with the same feature vector whose bytes differ or could not be read. */
  | 'same_features'
  /** Images whose feature vectors are closer than the threshold; linked pair by pair. */
  | 'near_duplicate'
  /** The same image, exactly or nearly, in two classes. */
  | 'two_classes'
  /** An image of one part (Test) that is also in another (Training), exactly or nearly. */
  | 'leak'
  /** An image far from all that its class has in common. */
  | 'outlier';

/** Findings of one kind. */
export interface KindCount {
  readonly findings: number;
  /** Lines in findings.jsonl: at most MAX_LISTED. */
  readonly listed: number;
  /** Images named by the findings of the kind, each as often as it is named. */
  readonly images: number;
}

/** Milliseconds. Stages of the main process follow each other; worker and engine times overlap them. */
export interface RunTiming {
  readonly listMs: number;
  /** From the first image asked for to the last shard stored; overlaps the engine's start. */
  readonly extractMs: number;
  readonly reduceMs: number;
  readonly exportMs: number;
  /** Findings and page, but for writing the two files. */
  readonly reportMs: number;
  readonly totalMs: number;
  /** Summed over the worker threads. */
  readonly readMs: number;
  readonly decodeMs: number;
  readonly resizeMs: number;
  /** Library and model load of the engine; 0 for pixels. */
  readonly engineStartMs: number;
  /** On a GPU: choosing the batch and one batch of noise, after the start and before the first image. */
  readonly engineWarmUpMs: number;
  /** The network alone, on ready batches; summed over the engines where there are several. */
  readonly engineBusyMs: number;
  /** Images per second of the network alone, the engines' rates added up; 0 for pixels. */
  readonly engineImagesPerSecond: number;
  /**
   * Images per second from the first file read to the last file written, engine start left out. Where other rows were
   * computed before: up to the last of these computed, as fitting and writing are for all rows.
   */
  readonly pipelineImagesPerSecond: number;
}
