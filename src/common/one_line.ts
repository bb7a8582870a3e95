/**
 * Owns: making text that somebody else wrote fit for a terminal.
 * Does not: know where it came from.
 */

/** Control characters, line ends and marks that turn the direction of writing: a name must not move the cursor or look like another line. */
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu;

/** The text with a space for each run of them. */
export function oneLine(text: string): string {
  return text.replace(UNFIT, ' ');
}

/** The colors that we print with (src/report/text.ts). */
const OUR_COLORS = /(\u001b\[(?:1|22|31|33|36|39)m)/u;
const UNPRINTABLE = /[^\P{Cc}\n\t]|[\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/**
 * All that goes to a terminal passes here: names of layers, weights, files and workers, and messages of libraries, must not move its cursor, color it or hide
 * lines. Each such character is shown as in JSON, so that a line of JSON stays what it is. Line ends, tabs and our own colors pass.
 */
export function printable(text: string): string {
  const escape = (char: string): string => `\\u${(char.codePointAt(0) as number).toString(16).padStart(4, '0')}`;
  return text
    .split(OUR_COLORS)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(UNPRINTABLE, escape)))
    .join('');
}
