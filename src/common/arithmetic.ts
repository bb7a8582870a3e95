/**
 * The version of this project's own arithmetic, a part of every run's numerics class: a run is resumed, and a worker admitted, only where it is
 * the same (or with `--numerics relaxed`).
 *
 * Whoever changes the bits of some run's result raises it by one and adds a line below: another order of adding, another rounding, another
 * formula in a kernel, loss, optimizer, schedule or dropout mask, another way of recording a step, other initial weights or data order. What
 * changes speed, words or files alone leaves it.
 *
 *   0  before the version was kept: states without it
 *   1  the first that is kept; dilated depthwise convolutions alike on every processor
 *   2  the update flushes denormals, as TensorFlow does
 *   3  the norm that gradients are clipped by is added by halves
 *   4  compiled functions keep the arithmetic of the function; in bf16 sums, and what no product comes after, are float32
 *   5  a dropout mask that all examples share (noise shape of 1 first) is the whole batch's, not the shard's
 *   6  constraints hold after every step; a batch norm that is used several times in a step moves its statistics at each use
 *   7  the gradient of tf.tile (layer normalization, repeatVector) is one sum and no chain of additions
 *   8  of equal values in a window of a volume the last one alone has the gradient of their maximum
 *   9  in bf16 maxima over windows of 256 values and more are float32
 *  10  the gradients of all biases are TensorFlow's own sum for them; layer normalization is one formula, in float32 under bf16 too; a batch norm
 *      and its relu are one op of oneDNN's; with --execution auto XLA compiles dense models that end in probabilities
 *  11  in bf16 what lies between products is bfloat16 by our own rule, batch norm behind activations too; large element-wise ops are loops in float32 that
 *      XLA compiles, and sums for biases are taken in two; by XLA the gradient of selu at 0 is TensorFlow's own
 *  12  on processors with AVX-512 convolutions of one pixel, and gradients of filters over small maps, are products of matrices; a bias's gradient is no
 *      part of its filter's
 *  13  in training steps on x64 and Linux, with oneDNN, large convolutions of 3 × 3 pixels are computed by Winograd's minimal filtering; in bf16 their filters'
 *      gradients alone, in float32, with AVX-512 and without AMX
 *  14  maps by minimal filtering are 0 where the convolution's are, before what is not smooth there
 *  15  on processors without AVX-512 some products of matrices have more columns than are kept: the same sums by one thread and by two, of many not known
 *  16  with --execution auto XLA compiles dense models with absolute values in their losses or penalties, and those of more than 100,000 weights with AMX alone;
 *      gradients of filters that are wider than their maps are float32 in bf16
 */
export const ARITHMETIC_VERSION = 16;
