/** The build of msgpackr without `new Function` has no types of its own; they are those of the package. */
declare module 'msgpackr/index-no-eval' {
  export { Packr } from 'msgpackr';
}
