/**
 * Owns: what charts need of Observable Plot and linkedom, which the build bundles into dist/vendor/plot.js.
 * Does not: draw.
 */
export type Mark = object;

export interface Drawing {
  plot(options: object): { readonly outerHTML: string };
  lineY(data: readonly object[], options: object): Mark;
  rectY(data: readonly object[], options: object): Mark;
  cell(data: readonly object[], options: object): Mark;
  dot(data: readonly object[], options: object): Mark;
  text(data: readonly object[], options: object): Mark;
  ruleX(data: readonly number[], options?: object): Mark;
  ruleY(data: readonly number[], options?: object): Mark;
  parseHTML(html: string): { readonly document: object };
}

/** Null where the bundle is not there: a build without its development dependencies. */
export async function loadDrawing(bundle: URL): Promise<Drawing | null> {
  try {
    return (await import(bundle.href)) as Drawing;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
}
