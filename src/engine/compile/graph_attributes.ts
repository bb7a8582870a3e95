/**
 * Owns: giving a graph node its attributes, as OpExecutor does for eager ops. Does not: choose them.
 */
import type { CApi, Pointer } from '../capi/c_api.js';
import {
  TF_ATTR_BOOL,
  TF_ATTR_FLOAT,
  TF_ATTR_FUNC,
  TF_ATTR_INT,
  TF_ATTR_SHAPE,
  TF_ATTR_STRING,
  TF_ATTR_TYPE,
} from '../capi/data_types.js';
import { graphApi } from '../capi/graph_api.js';
import type { OpAttribute } from '../backend/op_executor.js';

export function setGraphAttribute(api: CApi, description: Pointer, opName: string, { name, type, value }: OpAttribute): void {
  const f = graphApi(api);
  const attribute = api.cString(name);
  switch (type) {
    case TF_ATTR_TYPE:
      if (!Array.isArray(value)) return f.TF_SetAttrType(description, attribute, value as number);
      return f.TF_SetAttrTypeList(description, attribute, Int32Array.from(value as number[]), value.length);
    case TF_ATTR_BOOL:
      if (!Array.isArray(value)) return f.TF_SetAttrBool(description, attribute, value ? 1 : 0);
      return f.TF_SetAttrBoolList(description, attribute, Uint8Array.from(value as boolean[], Number), value.length);
    case TF_ATTR_INT:
      if (!Array.isArray(value)) return f.TF_SetAttrInt(description, attribute, Math.trunc(value as number));
      return f.TF_SetAttrIntList(description, attribute, int64s(value as number[]), value.length);
    case TF_ATTR_FLOAT:
      if (!Array.isArray(value)) return f.TF_SetAttrFloat(description, attribute, value as number);
      return f.TF_SetAttrFloatList(description, attribute, Float32Array.from(value as number[]), value.length);
    case TF_ATTR_STRING: {
      const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : (value as Uint8Array);
      return f.TF_SetAttrString(description, attribute, bytes, bytes.length);
    }
    case TF_ATTR_SHAPE:
      return f.TF_SetAttrShape(description, attribute, int64s(value as number[]), (value as number[]).length);
    case TF_ATTR_FUNC: {
      const bytes = Buffer.from(value as string, 'utf8');
      return f.TF_SetAttrFuncName(description, attribute, bytes, bytes.length);
    }
    default:
      throw new Error(`${opName}: Unhandled TF_AttrType: ${type} (attribute ${name})`);
  }
}

function int64s(values: readonly number[]): BigInt64Array {
  return BigInt64Array.from(values, (value) => BigInt(Math.trunc(value)));
}
