/** What the dashboard's page is told: all at first, then what is new. Numbers are rounded; those that are not finite are null. */

/** Of one step, thinned out over a long run. */
export interface Point {
  /** In epochs: 1.5 is the middle of the second. */
  readonly at: number;
  readonly loss: number | null;
  readonly rate: number;
  /** Examples a second, and what as many replicas would do that wait and exchange nothing. */
  readonly pace: number;
  readonly ideal: number | null;
}

export interface EpochValues {
  readonly epoch: number;
  readonly values: Readonly<Record<string, number | null>>;
  readonly seconds: number;
  readonly saved: boolean;
}

/** What one replica did of a step; times in ms since the step began. */
export interface Lane {
  readonly replica: string;
  readonly start: number;
  readonly end: number;
  readonly compute: number;
  /** Of the weights it computed from; null where it reads the run's own memory. */
  readonly parameters: string | null;
}

export interface Timeline {
  readonly epoch: number;
  readonly step: number;
  readonly stepInEpoch: number;
  /** Null where no epoch has told yet. */
  readonly stepsPerEpoch: number | null;
  /** In the order in which they follow each other, ms. */
  readonly phases: Readonly<Record<string, number>>;
  readonly lanes: readonly Lane[];
}

export interface Happened {
  /** ISO 8601. */
  readonly time: string;
  readonly text: string;
  readonly kind: 'join' | 'leave' | 'loss' | 'saved' | 'warn' | 'error' | 'plain';
  /** In epochs; null for what was before this page's process. */
  readonly at: number | null;
}

export interface Facts {
  readonly name: string;
  readonly model: string;
  readonly data: string;
  readonly epochs: number;
  readonly shards: number;
  readonly monitor: { readonly name: string; readonly direction: 'max' | 'min' };
  /** What is asked of it: value of the monitored name. */
  readonly target: number | null;
}

export interface News {
  /** `running`, `ended (done)`, or what is waited for. */
  readonly state?: string;
  readonly facts?: Facts;
  readonly points?: readonly Point[];
  readonly epochs?: readonly EpochValues[];
  readonly happened?: readonly Happened[];
  /** The newest step. */
  readonly step?: Timeline;
  /** It was asked to end after the epoch under way. */
  readonly ending?: boolean;
}

/** The first message; what the page knew before is forgotten. */
export interface Everything extends News {
  readonly all: true;
}

export type PageMessage = News | Everything;
