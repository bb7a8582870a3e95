/** Up to here every step has its record. */
const ALL_UP_TO = 10_000;

/**
 * Whether metrics.jsonl holds this step's record: of the first 10,000 steps all, of those up to 20,000 every second, up to 40,000 every fourth, and so on, and
 * the last of each epoch. It follows from the step's number alone, so that a run that was killed and resumed holds the same records; 10^6 steps of one
 * epoch leave 43,000, and a report's curves, which have at most 1,000 points, are those of all steps.
 */
export function isStepKept({
  step,
  stepInEpoch,
  stepsPerEpoch,
}: {
  step: number;
  stepInEpoch: number;
  stepsPerEpoch: number | null;
}): boolean {
  if (step <= ALL_UP_TO || stepInEpoch === stepsPerEpoch) return true;
  let stride = 2;
  while (step > ALL_UP_TO * stride) stride *= 2;
  return step % stride === 0;
}
