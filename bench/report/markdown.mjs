/** Tables for `docs/PERFORMANCE.md`. */

const cellText = (text) => text.replaceAll('|', '\\|');

export function drawMarkdown({ head, rows }) {
  const line = (row) => `| ${row.map(cellText).join(' | ')} |`;
  const rule = `| ${head.map((_, column) => (column < 2 ? '---' : '---:')).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

export const drawMarkdownFacts = (facts) =>
  facts.map(([name, text]) => `- **${name}**: ${name === 'command' ? `\`${text}\`` : cellText(text)}`).join('\n');
