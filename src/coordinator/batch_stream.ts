/** Batches that come one after the other, in the order and the sizes that their source gives; how many an epoch has shows at its end. */
export interface BatchStream {
  /** Puts the next batch of the epoch where replicas read rows; its number of examples, or null at the epoch's end. */
  next(): Promise<number | null>;
}
