/** Owns: `compile` without naming an engine: on the one installed in this thread, looked up at the first call. */
import { installedEngine, type Engine } from '../engine.js';
import { compile as compileOn, requireFunction, type CompiledFunction, type CompileOptions } from './compile.js';

/** See compile.ts. The engine may be installed later than this is called, but before the first call of the result. */
export function compile<A extends unknown[], R>(fn: (...args: A) => R, options?: CompileOptions): CompiledFunction<A, R> {
  requireFunction(fn);
  let made: { engine: Engine; compiled: CompiledFunction<A, R> } | undefined;
  const compiled = (): CompiledFunction<A, R> => {
    const engine = installedEngine();
    if (made?.engine !== engine) made = { engine, compiled: compileOn(engine, fn, options) };
    return made.compiled;
  };
  return Object.assign((...args: A) => compiled()(...args), {
    nested: (values: Parameters<CompiledFunction<A, R>['nested']>[0], ...args: A) => compiled().nested(values, ...args),
    prepare: (calls: number, ...args: A) => compiled().prepare(calls, ...args),
    print: (...args: A) => compiled().print(...args),
    dispose: () => {
      made?.compiled.dispose();
      made = undefined;
    },
  });
}
