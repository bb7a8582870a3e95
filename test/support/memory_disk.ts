/**
 * A file system in memory that knows what a power cut leaves: bytes reach the disk at fsync, names at the folder's fsync, and until then each may or may
 * have. `crashAtCall` stops everything before the n-th call; `afterCrash` then gives the disk as the next boot finds it.
 */
import { basename, dirname } from 'node:path';
import type { FileSystem, OpenFile, OpenMode } from '../../src/coordinator/storage/files/file_system.js';

export class SimulatedCrash extends Error {}

interface Inode {
  bytes: Uint8Array;
  synced: Uint8Array;
  modifiedMs: number;
}
type Node = Inode | Map<string, Node>;
interface PendingName {
  folder: string;
  undo: () => void;
}

export class MemoryDisk implements FileSystem {
  private readonly root = new Map<string, Node>();
  private pending: PendingName[] = [];
  /** Number of calls so far. */
  calls = 0;
  crashAtCall = Infinity;
  /** Set to make a call fail: receives the call's name and path, returns an error code or null. */
  failWith: (call: string, path: string, nth: number) => string | null = () => null;
  /** Bytes that fit; a write beyond it is short, then ENOSPC. */
  capacityBytes = Infinity;
  clockMs = 0;

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    this.enter('open', path);
    const folder = this.folder(dirname(path));
    let inode = folder.get(basename(path));
    if (inode instanceof Map) throw systemError('EISDIR', path);
    if (inode !== undefined && mode === 'create') throw systemError('EEXIST', path);
    if (inode === undefined) {
      if (mode === 'read' || mode === 'read_own') throw systemError('ENOENT', path);
      inode = { bytes: new Uint8Array(0), synced: new Uint8Array(0), modifiedMs: this.clockMs };
      folder.set(basename(path), inode);
      this.note(dirname(path), () => folder.delete(basename(path)));
    }
    return this.openInode(inode, path);
  }

  async createFolder(path: string): Promise<void> {
    this.enter('createFolder', path);
    const parent = this.folder(dirname(path));
    if (parent.has(basename(path))) throw systemError('EEXIST', path);
    parent.set(basename(path), new Map());
    this.note(dirname(path), () => parent.delete(basename(path)));
  }

  async list(path: string): Promise<string[]> {
    this.enter('list', path);
    return [...this.folder(path).keys()];
  }

  async rename(from: string, to: string): Promise<void> {
    this.enter('rename', to);
    const source = this.folder(dirname(from));
    const target = this.folder(dirname(to));
    const node = source.get(basename(from));
    if (node === undefined) throw systemError('ENOENT', from);
    const replaced = target.get(basename(to));
    if (replaced instanceof Map && replaced.size > 0) throw systemError('ENOTEMPTY', to);
    source.delete(basename(from));
    target.set(basename(to), node);
    this.note(dirname(to), () => {
      if (replaced === undefined) target.delete(basename(to));
      else target.set(basename(to), replaced);
      source.set(basename(from), node);
    });
  }

  async link(from: string, to: string): Promise<void> {
    this.enter('link', to);
    const node = this.folder(dirname(from)).get(basename(from));
    if (node === undefined) throw systemError('ENOENT', from);
    const target = this.folder(dirname(to));
    if (target.has(basename(to))) throw systemError('EEXIST', to);
    target.set(basename(to), node);
    this.note(dirname(to), () => target.delete(basename(to)));
  }

  async removeFile(path: string): Promise<void> {
    this.enter('removeFile', path);
    const folder = this.folder(dirname(path));
    const node = folder.get(basename(path));
    if (node === undefined) throw systemError('ENOENT', path);
    if (node instanceof Map) throw systemError('EISDIR', path);
    folder.delete(basename(path));
    this.note(dirname(path), () => folder.set(basename(path), node));
  }

  async removeFolder(path: string): Promise<void> {
    this.enter('removeFolder', path);
    const parent = this.folder(dirname(path));
    const node = parent.get(basename(path));
    if (!(node instanceof Map)) throw systemError('ENOTDIR', path);
    if (node.size > 0) throw systemError('ENOTEMPTY', path);
    parent.delete(basename(path));
    this.note(dirname(path), () => parent.set(basename(path), node));
  }

  async syncFolder(path: string): Promise<void> {
    this.enter('syncFolder', path);
    this.folder(path);
    this.pending = this.pending.filter((name) => name.folder !== path);
  }

  async touch(path: string): Promise<void> {
    this.enter('touch', path);
    this.inode(path).modifiedMs = this.clockMs;
  }

  async modifiedMs(path: string): Promise<number> {
    this.enter('modifiedMs', path);
    return this.inode(path).modifiedMs;
  }

  /**
   * What the next boot finds. `keepNames`: how many of the names not yet synced had reached the disk, oldest first; `keepBytes`: whether bytes not yet
   * synced had (`none`, `all`, or `half` of each file's new bytes).
   */
  afterCrash({ keepNames, keepBytes }: { keepNames: number; keepBytes: 'none' | 'half' | 'all' }): void {
    for (const { undo } of this.pending.slice(keepNames).reverse()) undo();
    this.pending = [];
    const settle = (node: Node): void => {
      if (node instanceof Map) return [...node.values()].forEach(settle);
      if (keepBytes === 'none') node.bytes = node.synced.slice();
      if (keepBytes === 'half') node.bytes = node.bytes.slice(0, Math.max(node.synced.length, Math.floor(node.bytes.length / 2)));
      node.synced = node.bytes.slice();
    };
    settle(this.root);
    this.crashAtCall = Infinity;
    this.failWith = () => null;
  }

  get unsyncedNames(): number {
    return this.pending.length;
  }

  contents(path: string): Uint8Array {
    return this.inode(path).bytes;
  }

  names(path: string): string[] {
    return [...this.folder(path).keys()].sort();
  }

  private openInode(inode: Inode, path: string): OpenFile {
    return {
      size: async () => {
        this.enter('size', path);
        return inode.bytes.length;
      },
      read: async (into, position) => {
        this.enter('read', path);
        const piece = inode.bytes.subarray(position, position + into.length);
        into.set(piece);
        return piece.length;
      },
      write: async (bytes, position) => {
        this.enter('write', path);
        const room = Math.max(0, this.capacityBytes - this.usedBytes() + Math.max(0, inode.bytes.length - position));
        if (room === 0) throw systemError('ENOSPC', path);
        const piece = bytes.subarray(0, Math.min(bytes.length, room));
        const grown = new Uint8Array(Math.max(inode.bytes.length, position + piece.length));
        grown.set(inode.bytes);
        grown.set(piece, position);
        inode.bytes = grown;
        inode.modifiedMs = this.clockMs;
        return piece.length;
      },
      truncate: async (bytes) => {
        this.enter('truncate', path);
        inode.bytes = inode.bytes.slice(0, bytes);
      },
      sync: async () => {
        this.enter('sync', path);
        inode.synced = inode.bytes.slice();
      },
      close: async () => this.enter('close', path),
    };
  }

  private usedBytes(): number {
    const count = (node: Node): number =>
      node instanceof Map ? [...node.values()].reduce((sum, inner) => sum + count(inner), 0) : node.bytes.length;
    return count(this.root);
  }

  private enter(call: string, path: string): void {
    const nth = ++this.calls;
    if (nth >= this.crashAtCall) throw new SimulatedCrash(`crash at call ${nth}: ${call} ${path}`);
    const code = this.failWith(call, path, nth);
    if (code !== null) throw systemError(code, path);
  }

  private note(folder: string, undo: () => void): void {
    this.pending.push({ folder, undo });
  }

  private folder(path: string): Map<string, Node> {
    let node: Node = this.root;
    for (const part of path.split('/').filter((piece) => piece !== '' && piece !== '.')) {
      const next: Node | undefined = node instanceof Map ? node.get(part) : undefined;
      if (next === undefined) throw systemError('ENOENT', path);
      node = next;
    }
    if (!(node instanceof Map)) throw systemError('ENOTDIR', path);
    return node;
  }

  private inode(path: string): Inode {
    const node = this.folder(dirname(path)).get(basename(path));
    if (node === undefined || node instanceof Map) throw systemError('ENOENT', path);
    return node;
  }
}

export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code, syscall: 'simulated', path });
}
