export function replacePart(text: string, marks: { begin: string; end: string }, body: string): string;
