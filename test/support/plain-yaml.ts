/**
 * The part of YAML that our documents use: block maps and lists, plain scalars, no tabs, no flow, no anchors. Whatever else is there is
 * an error, and so is a key that comes twice.
 */
export type Yaml = string | number | boolean | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** One value a document. @throws {Error} */
export function parseYaml(text: string): readonly Yaml[] {
  return text.split(/^---$/m).map((document) => {
    const lines = document
      .split('\n')
      .filter((line) => line.trim() !== '' && !/^\s*#/.test(line))
      .map((line): Line => {
        if (line.includes('\t')) throw new Error(`a tab: ${line}`);
        const text = line.trimStart();
        return { indent: line.length - text.length, text: text.trimEnd() };
      });
    const reader = { lines, at: 0 };
    const value = block(reader, lines[0]?.indent ?? 0);
    if (reader.at < lines.length) throw new Error(`not indented as what is before it: ${lines[reader.at]?.text}`);
    return value;
  });
}

interface Reader {
  readonly lines: Line[];
  at: number;
}

function block(reader: Reader, indent: number): Yaml {
  const first = reader.lines[reader.at];
  if (first === undefined || first.indent !== indent) throw new Error(`nothing at indent ${indent}`);
  return first.text.startsWith('- ') ? list(reader, indent) : map(reader, indent);
}

function list(reader: Reader, indent: number): Yaml[] {
  const items: Yaml[] = [];
  for (;;) {
    const line = reader.lines[reader.at];
    if (line === undefined || line.indent !== indent || !line.text.startsWith('- ')) return items;
    const rest = line.text.slice(2);
    if (isEntry(rest)) {
      // A map that begins behind the dash.
      reader.lines[reader.at] = { indent: indent + 2, text: rest };
      items.push(map(reader, indent + 2));
    } else {
      items.push(scalar(rest));
      reader.at++;
    }
  }
}

const entry = /^([A-Za-z][A-Za-z0-9.-]*):(?: (.+))?$/;
const isEntry = (text: string): boolean => entry.test(text);

function map(reader: Reader, indent: number): Yaml {
  const found: Record<string, Yaml> = {};
  for (;;) {
    const line = reader.lines[reader.at];
    if (line === undefined || line.indent !== indent) return found;
    const [, key, value] = entry.exec(line.text) ?? [];
    if (key === undefined) throw new Error(`no entry of a map: ${line.text}`);
    if (key in found) throw new Error(`${key} comes twice`);
    reader.at++;
    const next = reader.lines[reader.at];
    if (value !== undefined) found[key] = scalar(value);
    else if (next !== undefined && next.indent > indent) found[key] = block(reader, next.indent);
    else throw new Error(`${key} has no value`);
  }
}

function scalar(text: string): Yaml {
  if (/^[[{&*!|>%@`'"]/.test(text) || / #|: /.test(text)) throw new Error(`not plain: ${text}`);
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d+$/.test(text) ? Number(text) : text;
}
