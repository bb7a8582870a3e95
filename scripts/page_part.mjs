/**
 * Owns: one part of a page between two marks, so that a benchmark writes its own figures and leaves other text alone. Pure.
 * Does not: read or write files, or make the part's text.
 */

/** Puts `body` between the marks of `text`; a text without them gets them at its end. Throws when only one mark is there. */
export function replacePart(text, { begin, end }, body) {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  const block = `${begin}\n\n${body}\n${end}`;
  if (from < 0 && to < 0) return `${text.trimEnd()}\n\n${block}\n`;
  if (from < 0 || to < from) throw new Error(`the page holds one of the two marks, or both in the wrong order: ${begin} ${end}`);
  return text.slice(0, from) + block + text.slice(to + end.length);
}
