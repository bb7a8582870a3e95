/**
 * Owns: every TFE_TensorHandle that JavaScript holds, by number, and their exact count. Whatever takes a handle from C puts it in here or
 * deletes it itself. Does not: read or make tensors (tensors.ts).
 */
import type { CApi, Pointer } from './c_api.js';

export class Handles {
  private readonly pointers = new Map<number, Pointer>();
  private nextId = 0;

  constructor(private readonly api: CApi) {}

  /** Takes ownership of the handle and returns its number. */
  add(pointer: Pointer): number {
    const id = this.nextId++;
    this.pointers.set(id, pointer);
    return id;
  }

  /** The handle itself, still owned here. `purpose` begins the error for a number that is not (or no longer) held. */
  get(id: number, purpose: string): Pointer {
    const pointer = this.pointers.get(id);
    if (pointer === undefined) throw new Error(`${purpose} a Tensor not referenced (tensor_id: ${id})`);
    return pointer;
  }

  delete(id: number): void {
    const pointer = this.get(id, 'Delete called on');
    this.pointers.delete(id);
    this.api.TFE_DeleteTensorHandle(pointer);
  }

  get count(): number {
    return this.pointers.size;
  }

  deleteAll(): void {
    for (const pointer of this.pointers.values()) this.api.TFE_DeleteTensorHandle(pointer);
    this.pointers.clear();
  }
}
