/**
 * Owns: the advice that errors give (`next`) where it has a command or a flag: finding every such text in the sources, and taking the command out of a
 * message, to be run.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export interface Advice {
  readonly file: string;
  /** The text, with `…` where it is put together from values. */
  readonly text: string;
}

/** A flag or a command of ours; not of other programs. */
const COMMAND =
  /(?<![\w-])--(?!(?:input_format|output_format|external|permission|jitless|disallow|frozen|max-old|import|install)\b)[a-z][a-z-]+|`?tfjs-parallel (?:train|coordinator|worker|evaluate|verify|bench|token|why|doctor|init)\b/;

/** Every `next` in src that has a command, one entry for each text. */
export function adviceInSources(): Advice[] {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.sort().flatMap((name) => {
    const file = join('src', name);
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    const found: Advice[] = [];
    const known = knownIn(source);
    const visit = (node: ts.Node): void => {
      const isNext = ts.isPropertyAssignment(node) && node.name.getText(source) === 'next';
      const given = isNext
        ? node.initializer
        : ts.isShorthandPropertyAssignment(node) && node.name.text === 'next'
          ? node.name
          : null;
      if (given !== null) {
        for (const text of textsOf(given, known)) if (COMMAND.test(text)) found.push({ file, text });
      } else ts.forEachChild(node, visit);
    };
    visit(source);
    return found.filter(({ text }, at) => found.findIndex((other) => other.text === text) === at);
  });
}

/** By name: constants of the file, wherever in it; what functions of the file return; what their parameters are called with. */
type Known = ReadonlyMap<string, readonly ts.Expression[]>;

function knownIn(source: ts.SourceFile): Known {
  const known = new Map<string, ts.Expression[]>();
  const add = (name: string, value: ts.Expression): void => void known.set(name, [...(known.get(name) ?? []), value]);
  const parameters = new Map<string, string[]>();
  const declared = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer !== undefined) {
      if (ts.isArrowFunction(node.initializer))
        parameters.set(
          node.name.text,
          node.initializer.parameters.map((one) => one.name.getText(source)),
        );
      add(node.name.text, node.initializer);
    }
    // An option that is one of some texts: `flag: '--listen' | '--dashboard'`.
    if (ts.isPropertySignature(node) && node.type !== undefined && ts.isUnionTypeNode(node.type))
      for (const one of node.type.types)
        if (ts.isLiteralTypeNode(one) && ts.isStringLiteral(one.literal)) add(node.name.getText(source), one.literal);
    if (ts.isParameter(node) && node.initializer !== undefined) add(node.name.getText(source), node.initializer);
    if (ts.isFunctionDeclaration(node) && node.name !== undefined) {
      parameters.set(
        node.name.text,
        node.parameters.map((one) => one.name.getText(source)),
      );
      const returned = node.body?.statements.find(ts.isReturnStatement)?.expression;
      if (returned !== undefined) add(`${node.name.text}()`, returned);
    }
    ts.forEachChild(node, declared);
  };
  const called = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const names = parameters.get(node.expression.text) ?? [];
      node.arguments.forEach((value, at) => isText(value) && names[at] !== undefined && add(names[at], value));
    }
    ts.forEachChild(node, called);
  };
  declared(source);
  called(source);
  return known;
}

const isText = (value: ts.Expression): boolean =>
  ts.isStringLiteralLike(value) || ts.isTemplateExpression(value) || ts.isConditionalExpression(value);

/** Of a conditional each branch; of a sum all of it; of a name of the file all that it may be. */
function textsOf(node: ts.Expression, known: Known): string[] {
  const inside = (part: ts.Expression): string[] => textsOf(part, known);
  if (ts.isConditionalExpression(node)) return [...inside(node.whenTrue), ...inside(node.whenFalse)];
  if (ts.isParenthesizedExpression(node)) return inside(node.expression);
  if (ts.isBinaryExpression(node)) return [inside(node.left).join('') + inside(node.right).join('')];
  if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) return inside(node.body);
  const called = ts.isCallExpression(node) && ts.isIdentifier(node.expression) ? `${node.expression.text}()` : null;
  const values = ts.isIdentifier(node) ? known.get(node.text) : called !== null ? known.get(called) : undefined;
  if (values !== undefined) {
    // What is made of itself says nothing new.
    const others = new Map([...known].filter(([name]) => name !== (called ?? node.getText())));
    return values.flatMap((value) => textsOf(value, others));
  }
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isTemplateExpression(node)) {
    // Values that are no text of the file are `…`: a run's name, a call of something else.
    const value = (part: ts.Expression): string[] => inside(part);
    return node.templateSpans.reduce<string[]>(
      (heads, { expression, literal }) => heads.flatMap((head) => value(expression).map((text) => head + text + literal.text)),
      [node.head.text],
    );
  }
  return ['…'];
}

/** `args` with the flags of `command` in place of the same ones before. */
export function withFlags(args: readonly string[], command: string): string[] {
  const words = command.split(' ');
  const flags = words.filter((word) => word.startsWith('--') && word !== '--set');
  const kept: string[] = [];
  for (let at = 0; at < args.length; at++) {
    if (!flags.includes(args[at])) kept.push(args[at]);
    else if (args[at + 1] !== undefined && !args[at + 1].startsWith('--')) at += 1;
  }
  return [...kept, ...words];
}

/** The first command in the error's `next` that fits. */
export function commandIn(next: string, wanted: RegExp): string {
  const found = wanted.exec(next)?.[0];
  if (found === undefined) throw new Error(`no ${wanted} in: ${next}`);
  return found;
}
