/** The promise's value, or null so long after the signal says so. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, graceMs = 0): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  let giveUp = (): void => undefined;
  const aborted = new Promise<null>((resolve) => {
    giveUp = () => {
      if (graceMs === 0) return resolve(null);
      timer = setTimeout(resolve, graceMs, null);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
  });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
    work.catch(() => undefined);
  }
}
