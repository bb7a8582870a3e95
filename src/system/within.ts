/** Waiting for a promise, and not longer than that. */
export interface Waited {
  /** It did not settle in time. */
  readonly late: boolean;
  /** What it failed of; null where it did not. */
  readonly error: unknown;
}

export async function within(work: Promise<unknown>, ms: number): Promise<Waited> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Waited>((resolve) => (timer = setTimeout(() => resolve({ late: true, error: null }), ms)));
  const settled = work.then(
    () => ({ late: false, error: null }),
    (error: unknown) => ({ late: false, error }),
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}
