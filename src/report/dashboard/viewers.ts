/**
 * Owns: who looks at the dashboard: each is told everything once, then what is new, one text for all of them. Who takes nothing for long is let go.
 * Does not: know what is told, or who may look (door.ts).
 */
import type { ServerResponse } from 'node:http';
import { LIMITS } from '../../common/limits.js';

interface Viewer {
  /** When it last had taken all it was sent, monotonic ms. */
  idleMs: number;
}

export class Viewers {
  readonly #viewers = new Map<ServerResponse, Viewer>();

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  get count(): number {
    return this.#viewers.size;
  }

  /** False where too many look already. */
  add(response: ServerResponse, everything: () => string): boolean {
    if (this.#viewers.size >= LIMITS.maxViewers) return false;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.on('close', () => this.#viewers.delete(response));
    this.#viewers.set(response, { idleMs: this.nowMs() });
    response.write(framed(everything()));
    return true;
  }

  /** Without `text` only a sign of life, by which those that are gone are noticed. */
  tell(text: string | null): void {
    const bytes = Buffer.from(text === null ? ':\n\n' : framed(text));
    for (const [response, viewer] of this.#viewers) {
      if (response.writableLength === 0) viewer.idleMs = this.nowMs();
      const isStuck = this.nowMs() - viewer.idleMs > LIMITS.sendTimeoutMs;
      if (isStuck || response.writableLength > LIMITS.maxViewerQueueBytes) response.destroy();
      else response.write(bytes);
    }
  }

  /** The last word is sent first. */
  close(): void {
    for (const response of this.#viewers.keys()) response.end();
  }
}

/** JSON has no line end of its own. */
const framed = (text: string): string => `data: ${text}\n\n`;
