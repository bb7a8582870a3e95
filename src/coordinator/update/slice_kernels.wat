;; Owns: the arithmetic of the update on slices of float32, four elements at a time (WebAssembly SIMD).
;; Does not: know what is computed (reducer.ts, sgd.ts, adam.ts, statistics.ts), or move slices in and out (slice_kernels.ts).
;;
;; Operands are registers: byte addresses of slices in this memory, each on a page of its own. `length` counts elements; what is
;; done is done to the next multiple of four. Each operation is rounded to float32, as Math.fround in JavaScript: no fused
;; multiply-add, no relaxed SIMD. A kernel that returns something returns 1 if all it wrote is finite, else 0: x − x has no bit
;; set for a finite x and is NaN for any other, and what is or'ed keeps the bits of a NaN.
(module
  (memory (export "memory") 16)

  ;; into ← left + right
  (func (export "add") (param $into i32) (param $left i32) (param $right i32) (param $length i32)
    (local $at i32) (local $end i32)
    (local.set $end (i32.shl (local.get $length) (i32.const 2)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (i32.add (local.get $into) (local.get $at))
          (f32x4.add
            (v128.load (i32.add (local.get $left) (local.get $at)))
            (v128.load (i32.add (local.get $right) (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $more))))

  ;; into ← (left + right) / divisor
  (func (export "addAndDivide")
    (param $into i32) (param $left i32) (param $right i32) (param $divisor f32) (param $length i32)
    (local $at i32) (local $end i32)
    (local.set $end (i32.shl (local.get $length) (i32.const 2)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (i32.add (local.get $into) (local.get $at))
          (f32x4.div
            (f32x4.add
              (v128.load (i32.add (local.get $left) (local.get $at)))
              (v128.load (i32.add (local.get $right) (local.get $at))))
            (f32x4.splat (local.get $divisor))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $more))))

  ;; into ← into / divisor
  (func (export "divide") (param $into i32) (param $divisor f32) (param $length i32)
    (local $at i32) (local $end i32)
    (local.set $at (local.get $into))
    (local.set $end (i32.add (local.get $into) (i32.shl (local.get $length) (i32.const 2))))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (local.get $at) (f32x4.div (v128.load (local.get $at)) (f32x4.splat (local.get $divisor))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $more))))

  ;; into ← factor · into
  (func (export "scale") (param $into i32) (param $factor f32) (param $length i32)
    (local $at i32) (local $end i32)
    (local.set $at (local.get $into))
    (local.set $end (i32.add (local.get $into) (i32.shl (local.get $length) (i32.const 2))))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (local.get $at) (f32x4.mul (f32x4.splat (local.get $factor)) (v128.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $more))))

  ;; into ← factor · from + addend
  (func (export "multiplyAdd")
    (param $into i32) (param $factor f32) (param $from i32) (param $addend i32) (param $length i32) (result i32)
    (local $at i32) (local $end i32) (local $x v128) (local $probe v128)
    (local.set $end (i32.shl (local.get $length) (i32.const 2)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $x
          (f32x4.add
            (f32x4.mul
              (f32x4.splat (local.get $factor))
              (v128.load (i32.add (local.get $from) (local.get $at))))
            (v128.load (i32.add (local.get $addend) (local.get $at)))))
        (v128.store (i32.add (local.get $into) (local.get $at)) (local.get $x))
        (local.set $probe (v128.or (local.get $probe) (f32x4.sub (local.get $x) (local.get $x))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $more)))
    (i32.eqz (v128.any_true (local.get $probe))))

  ;; Adam and AdamW, in place; adam.ts has the formula, and computes the constants.
  ;; first ← beta1 · first + take1 · gradient
  ;; second ← beta2 · second + take2 · (gradient · gradient)
  ;; weights ← keep · weights − (rate · first) / (√second / correction + epsilon)
  (func (export "adam")
    (param $weights i32) (param $gradient i32) (param $first i32) (param $second i32)
    (param $beta1 f32) (param $take1 f32) (param $beta2 f32) (param $take2 f32)
    (param $correction f32) (param $epsilon f32) (param $keep f32) (param $rate f32)
    (param $length i32) (result i32)
    (local $at i32) (local $end i32)
    (local $g v128) (local $m v128) (local $v v128) (local $w v128) (local $probe v128)
    (local.set $end (i32.shl (local.get $length) (i32.const 2)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $g (v128.load (i32.add (local.get $gradient) (local.get $at))))
        (local.set $m
          (f32x4.add
            (f32x4.mul (f32x4.splat (local.get $beta1)) (v128.load (i32.add (local.get $first) (local.get $at))))
            (f32x4.mul (f32x4.splat (local.get $take1)) (local.get $g))))
        (local.set $v
          (f32x4.add
            (f32x4.mul (f32x4.splat (local.get $beta2)) (v128.load (i32.add (local.get $second) (local.get $at))))
            (f32x4.mul (f32x4.splat (local.get $take2)) (f32x4.mul (local.get $g) (local.get $g)))))
        (local.set $w
          (f32x4.sub
            (f32x4.mul (f32x4.splat (local.get $keep)) (v128.load (i32.add (local.get $weights) (local.get $at))))
            (f32x4.div
              (f32x4.mul (f32x4.splat (local.get $rate)) (local.get $m))
              (f32x4.add
                (f32x4.div (f32x4.sqrt (local.get $v)) (f32x4.splat (local.get $correction)))
                (f32x4.splat (local.get $epsilon))))))
        (v128.store (i32.add (local.get $first) (local.get $at)) (local.get $m))
        (v128.store (i32.add (local.get $second) (local.get $at)) (local.get $v))
        (v128.store (i32.add (local.get $weights) (local.get $at)) (local.get $w))
        ;; An infinite v makes the step 0 and w finite: look at both.
        (local.set $probe
          (v128.or
            (v128.or (local.get $probe) (f32x4.sub (local.get $w) (local.get $w)))
            (f32x4.sub (local.get $v) (local.get $v))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $more)))
    (i32.eqz (v128.any_true (local.get $probe)))))
