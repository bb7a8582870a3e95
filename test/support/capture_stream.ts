/**
 * Owns: a stream that keeps what is written, in place of a terminal or a pipe.
 */
export interface CaptureStream {
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  write(text: string): boolean;
  hasColors(): boolean;
  text(): string;
}

export function captureStream({
  isTTY = false,
  columns,
  colors = false,
}: { isTTY?: boolean; columns?: number; colors?: boolean } = {}): CaptureStream {
  let written = '';
  return {
    isTTY,
    columns,
    write(text) {
      written += text;
      return true;
    },
    hasColors: () => colors,
    text: () => written,
  };
}
