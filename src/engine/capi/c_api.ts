/**
 * Owns: opening libtensorflow_cc and the table of its C functions, typed from one table. Does not: find the library (tensorflow_library.ts), decide what
 * lives how long (handles.ts), or turn a status into an error (status.ts). Other files bind further functions with `bindFunctions`.
 *
 * Pointers are bigint (null is null). A typed array passed as `buffer` is used in place and only during the call.
 */
import koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { join } from 'node:path';
import { errorMessage } from '../../common/error_facts.js';
import { EnvironmentError } from '../../common/errors.js';
import { openLibrary, setNativeDefaults } from './ffi.js';
import { withoutLoadNotes } from '../tensorflow/quiet_load.js';
import { TENSORFLOW_VERSION, isSupportedVersion } from '../tensorflow/wheels.js';

export type Pointer = bigint;
/** What C may read or write during one call: a typed array in place, memory by address, or nothing. */
type BufferArgument = ArrayBufferView | Pointer | null;

interface ArgumentTypes {
  pointer: Pointer | null;
  buffer: BufferArgument;
  string: string;
  int: number;
  int64: number | bigint;
  size: number;
  float: number;
  bool: number;
}
interface ResultTypes {
  void: void;
  /** Never null where the C API promises so; where it may be null, the table says `nullable`. */
  pointer: Pointer;
  nullable: Pointer | null;
  string: string;
  int: number;
  int64: number;
  size: number;
  bool: number;
}
type ArgumentName = keyof ArgumentTypes;
type ResultName = keyof ResultTypes;

/** The result first, then the arguments. */
type Signature = readonly [result: ResultName, ...args: ArgumentName[]];
export type FunctionTable = Readonly<Record<string, Signature>>;
export type BoundFunctions<Table extends FunctionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends readonly [
    infer Result extends ResultName,
    ...infer Args extends ArgumentName[],
  ]
    ? (...args: { [Index in keyof Args]: ArgumentTypes[Args[Index]] }) => ResultTypes[Result]
    : never;
};

const C_TYPES: Record<ArgumentName | ResultName, string> = {
  void: 'void',
  pointer: 'void *',
  nullable: 'void *',
  buffer: 'void *',
  string: 'const char *',
  int: 'int',
  int64: 'int64_t',
  size: 'size_t',
  float: 'float',
  bool: 'unsigned char',
};

const CORE_FUNCTIONS = {
  // libc, found through the library's own dependencies.
  memcpy: ['nullable', 'buffer', 'buffer', 'size'],

  TF_Version: ['string'],
  TF_NewStatus: ['pointer'],
  TF_DeleteStatus: ['void', 'pointer'],
  TF_GetCode: ['int', 'pointer'],
  TF_Message: ['string', 'pointer'],

  TF_AllocateTensor: ['nullable', 'int', 'buffer', 'int', 'size'],
  TF_NewTensor: ['nullable', 'int', 'buffer', 'int', 'buffer', 'size', 'pointer', 'pointer'],
  TF_DeleteTensor: ['void', 'pointer'],
  TF_TensorType: ['int', 'pointer'],
  TF_TensorByteSize: ['size', 'pointer'],
  TF_TensorElementCount: ['int64', 'pointer'],
  TF_TensorData: ['nullable', 'pointer'],
  TF_StringInit: ['void', 'pointer'],
  TF_StringCopy: ['void', 'pointer', 'buffer', 'size'],
  TF_StringDealloc: ['void', 'pointer'],
  TF_StringGetDataPointer: ['nullable', 'pointer'],
  TF_StringGetSize: ['size', 'pointer'],

  TFE_NewContextOptions: ['pointer'],
  TFE_DeleteContextOptions: ['void', 'pointer'],
  TFE_ContextOptionsSetConfig: ['void', 'pointer', 'buffer', 'size', 'pointer'],
  TFE_NewContext: ['nullable', 'pointer', 'pointer'],
  TFE_DeleteContext: ['void', 'pointer'],
  TFE_ContextListDevices: ['nullable', 'pointer', 'pointer'],
  TF_DeviceListCount: ['int', 'pointer'],
  TF_DeviceListName: ['string', 'pointer', 'int', 'pointer'],
  TF_DeviceListType: ['string', 'pointer', 'int', 'pointer'],
  TF_DeviceListMemoryBytes: ['int64', 'pointer', 'int', 'pointer'],
  TF_DeleteDeviceList: ['void', 'pointer'],

  TFE_NewTensorHandle: ['nullable', 'pointer', 'pointer'],
  TFE_DeleteTensorHandle: ['void', 'pointer'],
  TFE_TensorHandleDataType: ['int', 'pointer'],
  TFE_TensorHandleNumDims: ['int', 'pointer', 'pointer'],
  TFE_TensorHandleDim: ['int64', 'pointer', 'int', 'pointer'],
  TFE_TensorHandleDeviceName: ['string', 'pointer', 'pointer'],
  TFE_TensorHandleBackingDeviceName: ['string', 'pointer', 'pointer'],
  TFE_TensorHandleResolve: ['nullable', 'pointer', 'pointer'],
  TFE_TensorHandleCopyToDevice: ['nullable', 'pointer', 'pointer', 'string', 'pointer'],

  TFE_NewOp: ['nullable', 'pointer', 'pointer', 'pointer'],
  TFE_DeleteOp: ['void', 'pointer'],
  TFE_OpSetDevice: ['void', 'pointer', 'pointer', 'pointer'],
  TFE_OpAddInput: ['void', 'pointer', 'pointer', 'pointer'],
  TFE_OpSetAttrString: ['void', 'pointer', 'pointer', 'buffer', 'size'],
  TFE_OpSetAttrInt: ['void', 'pointer', 'pointer', 'int64'],
  TFE_OpSetAttrFloat: ['void', 'pointer', 'pointer', 'float'],
  TFE_OpSetAttrBool: ['void', 'pointer', 'pointer', 'bool'],
  TFE_OpSetAttrType: ['void', 'pointer', 'pointer', 'int'],
  TFE_OpSetAttrShape: ['void', 'pointer', 'pointer', 'buffer', 'int', 'pointer'],
  TFE_OpSetAttrIntList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TFE_OpSetAttrFloatList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TFE_OpSetAttrBoolList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TFE_OpSetAttrTypeList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TFE_Execute: ['void', 'pointer', 'buffer', 'buffer', 'pointer'],
} as const satisfies FunctionTable;

type CoreFunctions = BoundFunctions<typeof CORE_FUNCTIONS>;

export interface CApi extends CoreFunctions {
  /** The koffi library, for `bindFunctions` in files that need more of the C API. */
  readonly library: LibraryHandle;
  /** Address of a C function that takes what a deallocator does and does nothing: for memory that C is lent. */
  readonly freesNothing: Pointer;
  /** Address of a zero-terminated copy of `text` that lives as long as the process: op, attribute and device names. */
  cString(text: string): Pointer;
}

export const TENSORFLOW_LIBRARY_NAME = process.platform === 'darwin' ? 'libtensorflow_cc.2.dylib' : 'libtensorflow_cc.so.2';

let opened: { folder: string; api: CApi } | undefined;

/** Opens the library in `folder`, once per thread. */
export function openCApi(folder: string): CApi {
  if (opened !== undefined) {
    if (opened.folder === folder) return opened.api;
    throw new EnvironmentError({
      code: 'TENSORFLOW_ALREADY_OPEN',
      message: `TensorFlow is already open from ${opened.folder}; a process cannot open a second one from ${folder}`,
      next: 'Start a new process to use another TensorFlow.',
    });
  }
  const path = join(folder, TENSORFLOW_LIBRARY_NAME);
  // Without it the first context of a process sizes one pool for all, and the threads that later contexts ask for are not there.
  setNativeDefaults({ TF_OVERRIDE_GLOBAL_THREADPOOL: '1' });
  let library: LibraryHandle;
  try {
    // Of a folder that somebody puts together a missing function is an error here; what was fetched whole looks each up when it is first called.
    const lazy = !process.env.TFJS_PARALLEL_TENSORFLOW;
    withoutLoadNotes(() => keepInProcess(path, lazy));
    library = openLibrary(path, lazy);
  } catch (cause) {
    if (/failed to map segment|cannot allocate memory/i.test(errorMessage(cause))) throw noRoom(path, cause);
    throw new EnvironmentError({
      code: 'TENSORFLOW_NOT_LOADABLE',
      message: `${path} cannot be loaded: ${errorMessage(cause)}`,
      next: process.env.TFJS_PARALLEL_TENSORFLOW
        ? `Point TFJS_PARALLEL_TENSORFLOW at a TensorFlow ${TENSORFLOW_VERSION} package folder, or unset it to have TensorFlow fetched.`
        : `Delete that folder to have TensorFlow fetched again, or point TFJS_PARALLEL_TENSORFLOW at a TensorFlow ${TENSORFLOW_VERSION} package folder.`,
      cause,
    });
  }
  const version = (library.func('TF_Version', 'str', []) as () => string)();
  if (!isSupportedVersion(version)) {
    throw new EnvironmentError({
      code: 'TENSORFLOW_VERSION_UNSUPPORTED',
      message: `${path} is TensorFlow ${version}; this engine is made for ${TENSORFLOW_VERSION}`,
      next: 'Unset TFJS_PARALLEL_TENSORFLOW to have the right one fetched.',
    });
  }
  const names = new Map<string, Pointer>();
  const cString = (text: string): Pointer => {
    let address = names.get(text);
    if (address === undefined) {
      const bytes = Buffer.from(`${text}\0`, 'utf8');
      address = koffi.alloc('char', bytes.length) as Pointer;
      api.memcpy(address, bytes, bytes.length);
      names.set(text, address);
    }
    return address;
  };
  // Looks its first argument up among the types, and has no state. A function of JavaScript cannot be called from TensorFlow's threads.
  const freesNothing = library.symbol('TF_DataTypeSize') as Pointer;
  const api: CApi = { ...bindFunctions(library, CORE_FUNCTIONS), library, freesNothing, cString };
  opened = { folder, api };
  return api;
}

/** Looks up each function of the table; a missing one is an error that names it. */
export function bindFunctions<Table extends FunctionTable>(library: LibraryHandle, table: Table): BoundFunctions<Table> {
  const bound: Record<string, unknown> = {};
  for (const [name, [result, ...args]] of Object.entries(table)) {
    bound[name] = library.func(
      name,
      C_TYPES[result],
      args.map((arg) => C_TYPES[arg]),
    );
  }
  return bound as BoundFunctions<Table>;
}

/** Further functions of the library, bound when they are first asked for. */
export function bindOnce<Functions>(bind: (api: CApi) => Functions): (api: CApi) => Functions {
  const bound = new WeakMap<CApi, Functions>();
  return (api) => {
    const functions = bound.get(api) ?? bind(api);
    bound.set(api, functions);
    return functions;
  };
}

/** The file is whole: the system would not map it. */
function noRoom(path: string, cause: unknown): EnvironmentError {
  return new EnvironmentError({
    code: 'TENSORFLOW_NOT_LOADABLE',
    message: `${path} cannot be mapped into memory: ${errorMessage(cause)}`,
    next: 'Lift the limit of addresses (ulimit -v unlimited); where that folder is on a disk that may not run programs (noexec), set TFJS_PARALLEL_CACHE to another one.',
    cause,
  });
}

/**
 * koffi closes a library when its thread ends, and TensorFlow, with threads of its own, does not survive being unmapped. So it is opened once
 * more with RTLD_NODELETE.
 */
function keepInProcess(path: string, lazy: boolean): void {
  const [RTLD_LAZY, RTLD_NOW] = [1, 2];
  const RTLD_NODELETE = process.platform === 'darwin' ? 0x80 : 0x1000;
  const dlopen = openLibrary(null).func('dlopen', 'void *', ['str', 'int']);
  dlopen(path, (lazy ? RTLD_LAZY : RTLD_NOW) | RTLD_NODELETE);
}
