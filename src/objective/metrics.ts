/** Owns: the table of metrics. A metric is a file and a row here; every loss is a metric too. */
import { accuracy, accuracyOf } from './accuracy.js';
import { areaUnderCurve } from './area_under_curve.js';
import type { Metric } from './metric.js';
import { precision, recall } from './precision_and_recall.js';
import { r2Score } from './r2_score.js';
import { top5Accuracy } from './top_5_accuracy.js';

export const METRICS: Readonly<Record<string, Metric>> = {
  accuracy,
  binaryAccuracy: accuracyOf('each'),
  categoricalAccuracy: accuracyOf('class'),
  sparseCategoricalAccuracy: accuracyOf('class'),
  top_5_accuracy: top5Accuracy,
  precision,
  recall,
  auc: areaUnderCurve,
  r2Score,
};

/** Other names of the same. */
export const METRIC_ALIASES: Readonly<Record<string, string>> = {
  acc: 'accuracy',
};
