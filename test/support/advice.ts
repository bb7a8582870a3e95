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
  /(?<![\w-])--(?!(?:input_format|output_format|external|permission|jitless|disallow|frozen|max-old|import)\b)[a-z][a-z-]+|`?tfjs-parallel [a-z]+/;

/** Every `next` in src that has a command, one entry for each text. */
export function adviceInSources(): Advice[] {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.sort().flatMap((name) => {
    const file = join('src', name);
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    const found: Advice[] = [];
    const constants = new Map<string, ts.Expression>();
    for (const statement of source.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      for (const { name: own, initializer } of statement.declarationList.declarations)
        if (ts.isIdentifier(own) && initializer !== undefined) constants.set(own.text, initializer);
    }
    const visit = (node: ts.Node): void => {
      if (ts.isPropertyAssignment(node) && node.name.getText(source) === 'next') {
        for (const text of textsOf(node.initializer, constants)) if (COMMAND.test(text)) found.push({ file, text });
      } else ts.forEachChild(node, visit);
    };
    visit(source);
    return found;
  });
}

/** Of a conditional each branch; of a sum all of it; of a constant of the file what it is. */
function textsOf(node: ts.Expression, constants: ReadonlyMap<string, ts.Expression>): string[] {
  const inside = (part: ts.Expression): string[] => textsOf(part, constants);
  if (ts.isConditionalExpression(node)) return [...inside(node.whenTrue), ...inside(node.whenFalse)];
  if (ts.isParenthesizedExpression(node)) return inside(node.expression);
  if (ts.isBinaryExpression(node)) return [inside(node.left).join('') + inside(node.right).join('')];
  if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) return inside(node.body);
  const constant = ts.isIdentifier(node) ? constants.get(node.text) : undefined;
  if (constant !== undefined) return inside(constant);
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isTemplateExpression(node)) {
    const value = (part: ts.Expression): string =>
      ts.isIdentifier(part) && constants.has(part.text) ? inside(part).join('') : '…';
    return [node.head.text + node.templateSpans.map(({ expression, literal }) => value(expression) + literal.text).join('')];
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
