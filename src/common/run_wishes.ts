/** What people may ask of a run while it goes on, beside a stop. The loop looks at its boundaries; nothing happens before. */
export class RunWishes {
  #save = false;
  #endAfterEpoch = false;

  /** A state is written after the next commit. */
  saveNow(): void {
    this.#save = true;
  }

  /** The run ends well after the epoch under way: its model is saved, and it can be resumed. */
  endAfterEpoch(): void {
    this.#endAfterEpoch = true;
  }

  /** True once for each time that it was asked for. */
  takeSave(): boolean {
    const asked = this.#save;
    this.#save = false;
    return asked;
  }

  get endsAfterEpoch(): boolean {
    return this.#endAfterEpoch;
  }
}
