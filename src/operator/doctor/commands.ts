/** Whole commands for fixes. What only the operator knows stands in capitals. */

interface Listed {
  readonly name: string;
  readonly url: string;
}

/** Starts one member where the others look for it. */
export function startCommand({ name, url }: Listed, members: readonly Listed[]): string {
  const listen = URL.canParse(url) ? listenOf(new URL(url)) : 'HOST:PORT';
  const cell = members.map((it) => `${it.name}=${it.url}`).join(',');
  return `paxosctl node start --name ${name} --data-dir DATA-DIR-OF-${name} --listen ${listen} --cell "${cell}"`;
}

const listenOf = (url: URL): string => `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
