/** Making parts of the page. Names of workers, files and metrics are others' words: they go in as text and never as markup. */

const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const;

/** Okabe and Ito's, told apart by everyone. */
export const colorAt = (index: number): string => COLORS[index % COLORS.length];

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`internal: the page has no ${id}`);
  return element;
}

export function element(tag: string, text = '', className = ''): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

export function row(cells: readonly string[], { tag = 'td', className = '' } = {}): HTMLElement {
  const made = element('tr', '', className);
  made.append(...cells.map((cell) => element(tag, cell, 'n')));
  return made;
}

/** `■ training ■ validation`. */
export function legend(entries: readonly (readonly [name: string, color: string])[]): HTMLElement {
  const made = element('div', '', 'legend');
  for (const [name, color] of entries) {
    const swatch = element('i');
    swatch.style.background = color;
    const entry = element('span');
    entry.append(swatch, name);
    made.append(entry);
  }
  return made;
}

/** As few digits as tell something. */
export function shown(value: number | null | undefined): string {
  if (value == null) return '–';
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)));
}
