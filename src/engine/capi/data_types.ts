/** Owns: TensorFlow's numbers for data types and attribute kinds (tensorflow/c/tf_datatype.h, tf_attrtype.h). */
export const TF_FLOAT = 1;
export const TF_DOUBLE = 2;
export const TF_INT32 = 3;
export const TF_UINT8 = 4;
export const TF_STRING = 7;
export const TF_COMPLEX64 = 8;
export const TF_INT64 = 9;
export const TF_BOOL = 10;
export const TF_BFLOAT16 = 14;
export const TF_UINT16 = 17;
export const TF_RESOURCE = 20;
export const TF_UINT32 = 22;
export const TF_UINT64 = 23;

export const TF_ATTR_STRING = 0;
export const TF_ATTR_INT = 1;
export const TF_ATTR_FLOAT = 2;
export const TF_ATTR_BOOL = 3;
export const TF_ATTR_TYPE = 4;
export const TF_ATTR_SHAPE = 5;
export const TF_ATTR_FUNC = 8;
