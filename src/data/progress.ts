/**
 * Owns: what loading a data set tells whoever waits for it, and its words.
 * Does not: print (src/cli does).
 */
export type DataProgress =
  /** `totalBytes` is null where the mirror does not say. */
  | {
      readonly kind: 'download';
      readonly file: string;
      readonly mirror: string;
      readonly receivedBytes: number;
      readonly totalBytes: number | null;
    }
  /** Something people should know although loading goes on: a mirror that failed, a damaged file in the cache. */
  | { readonly kind: 'note'; readonly message: string };

export type OnDataProgress = (progress: DataProgress) => void;

/** Of a download whose length is known, how much has come. */
export function shareOf(progress: DataProgress): number | undefined {
  if (progress.kind === 'note' || progress.totalBytes === null || progress.totalBytes === 0) return undefined;
  return progress.receivedBytes / progress.totalBytes;
}

/** One line; downloads are told at each tenth, by data/download.ts. */
export function describeProgress(progress: DataProgress): string {
  if (progress.kind === 'note') return progress.message;
  const { file, mirror, receivedBytes, totalBytes } = progress;
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return `fetching ${file} from ${mirror}: ${mb(receivedBytes)}${totalBytes === null ? '' : ` of ${mb(totalBytes)}`} MB`;
}
