/**
 * The way to the run: everything at first, then what is new, again and again after a reload, a broken line or a restart of the run. An EventSource cannot
 * send the token as a header, so the same stream is read by hand.
 */
import type { PageMessage } from '../messages.js';

export interface Listener {
  onMessage(message: PageMessage): void;
  /** Empty where all is well. */
  onTrouble(text: string): void;
}

const FIRST_MS = 500;
const MOST_MS = 5_000;

/** Where the link has it: browsers send what is after # to nobody. */
const token = (): string => location.hash.slice(1);

/** Never ends. */
export async function listen(listener: Listener): Promise<never> {
  let delayMs = FIRST_MS;
  for (;;) {
    try {
      const isRefused = await once(listener, () => (delayMs = FIRST_MS));
      if (isRefused) delayMs = MOST_MS;
      else listener.onTrouble('The run is not there. Looking for it…');
    } catch {
      listener.onTrouble('The run is not there. Looking for it…');
    }
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    delayMs = Math.min(MOST_MS, delayMs * 2);
  }
}

const REFUSALS: Readonly<Record<number, string>> = {
  401: 'The link is not right: open the whole link that the run printed, with what is after #.',
  503: 'Too many pages look at this run already. Close one.',
};

/** True where it was refused, false where the line ended. */
async function once({ onMessage, onTrouble }: Listener, onOpen: () => void): Promise<boolean> {
  const response = await ask('/events', 'GET');
  if (!response.ok || response.body === null) {
    onTrouble(REFUSALS[response.status] ?? `The run answered ${response.status}.`);
    return true;
  }
  onOpen();
  onTrouble('');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return false;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop() ?? '';
    for (const part of parts) if (part.startsWith('data: ')) onMessage(JSON.parse(part.slice('data: '.length)) as PageMessage);
  }
}

export function ask(path: string, method: 'GET' | 'POST'): Promise<Response> {
  return fetch(path, { method, headers: { authorization: `Bearer ${token()}` }, cache: 'no-store' });
}
