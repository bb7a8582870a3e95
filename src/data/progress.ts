/**
 * Owns: what loading a data set tells whoever waits for it.
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
