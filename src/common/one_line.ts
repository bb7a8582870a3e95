/**
 * Owns: making text that somebody else wrote fit for a line on a terminal.
 * Does not: know where it came from.
 */

/** Control characters, line ends and marks that turn the direction of writing: a name must not move the cursor or look like another line. */
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu;

/** The text with a space for each run of them. */
export function oneLine(text: string): string {
  return text.replace(UNFIT, ' ');
}
