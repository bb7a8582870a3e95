/** What a call rejects with, as people are told it; the code `none` where it does not. */
export const failure = async (work: Promise<unknown>): Promise<{ code: string; message: string; next: string }> =>
  work.then(
    () => ({ code: 'none', message: '', next: '' }),
    (error: { code: string; message: string; next: string }) => error,
  );
