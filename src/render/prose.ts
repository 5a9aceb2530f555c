/**
 * Text of help: paragraphs are written in lines of the source's width and shown in lines of the terminal's. Empty lines part
 * paragraphs; lines that begin with a space stay as they are.
 */
export function prose(parts: TemplateStringsArray): string {
  const lines: string[] = [];
  const stands = (line: string | undefined) => line === undefined || line === '' || line.startsWith(' ');
  for (const line of parts.join('').split('\n')) {
    const last = lines.at(-1);
    if (stands(line) || stands(last)) lines.push(line);
    else lines[lines.length - 1] = `${last} ${line}`;
  }
  return lines.join('\n');
}
