/** One live curve chart, as wide as its place. */
import uPlot from 'uplot';
import { colorAt, element, legend } from './elements.js';

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number | null])[];
  /** Behind the others: single steps. */
  readonly isFaint?: boolean;
}

export interface ChartData {
  readonly lines: readonly Line[];
  /** Drawn as a dashed line from top to bottom. */
  readonly marks?: readonly { readonly x: number; readonly color: string }[];
  /** Drawn from left to right. */
  readonly level?: number | null;
}

const HEIGHT = 220;
const FAINT = 'rgba(128, 128, 128, 0.6)';
const AXIS = { stroke: '#888', grid: { stroke: 'rgba(128, 128, 128, 0.2)', width: 1 }, ticks: { show: false } };

export class Chart {
  readonly #place: HTMLElement;
  #plot: uPlot | null = null;
  #names = '';
  #data: ChartData = { lines: [] };

  constructor(parent: HTMLElement, title: string) {
    const figure = element('figure');
    this.#place = element('div');
    figure.append(element('h2', title), this.#place);
    parent.append(figure);
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#place.clientWidth, height: HEIGHT })).observe(this.#place);
  }

  draw(data: ChartData): void {
    this.#data = data;
    const lines = data.lines.filter(({ points }) => points.length > 0);
    if (lines.length === 0) return;
    const names = lines.map(({ name }) => name).join();
    if (this.#plot === null || names !== this.#names) this.#make(lines);
    this.#names = names;
    const tables = lines.map(({ points }): uPlot.AlignedData => [points.map(([x]) => x), points.map(([, y]) => y)]);
    this.#plot?.setData(uPlot.join(tables));
  }

  #make(lines: readonly Line[]): void {
    this.#plot?.destroy();
    this.#place.replaceChildren();
    const color = (line: Line): string => (line.isFaint ? FAINT : colorAt(lines.filter(({ isFaint }) => !isFaint).indexOf(line)));
    const series = lines.map((line): uPlot.Series => ({
      label: line.name,
      stroke: color(line),
      width: line.isFaint ? 1 : 2,
      spanGaps: true,
      points: { show: !line.isFaint && line.points.length < 40, size: 5, fill: color(line) },
    }));
    const plot = new uPlot(
      {
        width: Math.max(100, this.#place.clientWidth),
        height: HEIGHT,
        scales: { x: { time: false } },
        axes: [{ ...AXIS }, { ...AXIS, size: 64 }],
        legend: { show: false },
        cursor: { y: false },
        series: [{}, ...series],
        hooks: { draw: [(drawn) => this.#drawMarks(drawn)] },
      },
      [[]],
      this.#place,
    );
    this.#plot = plot;
    this.#place.append(legend(lines.map((line) => [line.name, color(line)])));
  }

  #drawMarks({ ctx, bbox, valToPos }: uPlot): void {
    const { marks = [], level = null } = this.#data;
    const rule = (stroke: string, [x1, y1]: readonly number[], [x2, y2]: readonly number[]): void => {
      ctx.save();
      ctx.beginPath();
      ctx.setLineDash([4, 4]);
      ctx.strokeStyle = stroke;
      ctx.moveTo(x1, y1);
      ctx.lineTo(x2, y2);
      ctx.stroke();
      ctx.restore();
    };
    const { left, top, width, height } = bbox;
    for (const { x, color } of marks) {
      const at = valToPos(x, 'x', true);
      if (at >= left && at <= left + width) rule(color, [at, top], [at, top + height]);
    }
    if (level === null) return;
    const at = valToPos(level, 'y', true);
    if (at >= top && at <= top + height) rule('#888', [left, at], [left + width, at]);
  }
}
