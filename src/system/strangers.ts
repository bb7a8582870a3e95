/**
 * Owns: connections that have not shown who they are: nobody stays for long without, and when too many try, the one that has tried longest makes room.
 * Does not: know what shows it.
 */
import type { Socket } from 'node:net';
import { LIMITS } from '../common/limits.js';

export class Strangers {
  readonly #sockets = new Set<Socket>();

  admit(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const timer = setTimeout(() => this.#sockets.has(socket) && socket.destroy(), LIMITS.loginTimeoutMs);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    this.#sockets.add(socket);
    if (this.#sockets.size > LIMITS.maxStrangers) for (const oldest of this.#sockets) return void oldest.destroy();
  }

  welcome(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
