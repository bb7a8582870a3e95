/** Settings that several optimizers have. */
const decayRate = { kind: 'real', atLeast: 0, below: 1 } as const;

export const MOMENTUM = { ...decayRate, default: 0 } as const;
export const NESTEROV = { kind: 'flag', default: false } as const;
export const BETA1 = { ...decayRate, default: 0.9 } as const;
export const BETA2 = { ...decayRate, default: 0.999 } as const;
export const EPSILON = { kind: 'real', above: 0, default: 1e-7 } as const;
/** Null: 0.9 for rmsprop, 0.95 for adadelta, as in tfjs. */
export const RHO = { ...decayRate, default: null } as const;
