/** What the page knows of the run: messages added up. */
import { bestEpoch } from '../../best_epoch.js';
import type { EpochValues, Facts, Happened, PageMessage, Point, Timeline } from '../messages.js';

/** A page that stays open for days holds no more than this; beyond it every second one is let go. */
const MOST_POINTS = 4000;
const MOST_HAPPENED = 500;

export class Known {
  state = '';
  facts: Facts | null = null;
  points: Point[] = [];
  epochs: EpochValues[] = [];
  happened: Happened[] = [];
  step: Timeline | null = null;
  ending = false;

  take(message: PageMessage): void {
    if ('all' in message) Object.assign(this, new Known());
    const { state, facts, points = [], epochs = [], happened = [], step, ending } = message;
    this.state = state ?? this.state;
    this.facts = facts ?? this.facts;
    this.points = [...this.points, ...points];
    if (this.points.length > MOST_POINTS) this.points = this.points.filter((_, index) => index % 2 === 1);
    this.epochs = [...this.epochs, ...epochs];
    this.happened = [...this.happened, ...happened];
    const often = this.happened.filter(({ kind }) => kind === 'saved' || kind === 'warn').slice(0, -MOST_HAPPENED);
    if (often.length > 0) this.happened = this.happened.filter((one) => !often.includes(one));
    this.step = step ?? this.step;
    this.ending = ending ?? this.ending;
  }

  /** `loss`, `acc`, …: with their validation values where there are any. */
  get names(): string[] {
    return [...new Set(this.epochs.flatMap(({ values }) => Object.keys(values)).map((name) => name.replace(/^val_/, '')))];
  }

  get best(): EpochValues | null {
    return this.facts === null ? null : bestEpoch(this.epochs, this.facts.monitor);
  }
}
