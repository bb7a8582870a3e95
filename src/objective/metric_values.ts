/** Owns: how a batch's sums become a metric's value, where that is no mean; the coordinator has these, and no tensors. */
export const VALUES: Readonly<Record<string, (sums: readonly number[]) => number>> = {
  /** Of two sums; 0 where nothing was counted. */
  ratio: ([part, whole]) => (whole > 0 ? part / whole : 0),
  /** Trapezoids between the rates of falling thresholds: positives above each, then negatives. 0 where one of both is missing. */
  area: (sums) => {
    const thresholds = sums.length / 2;
    const [positives, negatives] = [sums.slice(0, thresholds), sums.slice(thresholds)];
    if (positives[0] === 0 || negatives[0] === 0) return 0;
    let area = 0;
    for (let i = 0; i + 1 < thresholds; i++) {
      area += ((negatives[i] - negatives[i + 1]) * (positives[i] + positives[i + 1])) / 2;
    }
    return area / (positives[0] * negatives[0]);
  },
};
