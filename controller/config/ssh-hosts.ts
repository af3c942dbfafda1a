import { hostFlaw } from './address.ts';

/** What an ssh configuration says about which hosts there are; `ssh -G` tells the rest of each. */

/** A line that matters to that, as it stands in a file. */
export type SshLine =
  | { is: 'host'; patterns: readonly string[] }
  | { is: 'match'; isAll: boolean }
  | { is: 'include'; paths: readonly string[] };

/** A name after `Host`. */
export interface NamedHost {
  name: string;
  /** Why it is no machine; null: it may be one. */
  flaw: string | null;
}

/** Reads the text of one file. What ssh would refuse is passed over: `ssh -G` tells of it when a host is asked. */
export function readSshLines(text: string): SshLine[] {
  return text.split(/\r?\n/).flatMap((line): SshLine[] => {
    const [keyword = '', ...words] = wordsOf(line);
    switch (keyword.toLowerCase()) {
      case 'host':
        return [{ is: 'host', patterns: words }];
      case 'match':
        return [{ is: 'match', isAll: words.length === 1 && words[0]?.toLowerCase() === 'all' }];
      case 'include':
        return [{ is: 'include', paths: words }];
      default:
        return [];
    }
  });
}

/** Words of a line: parted by blanks, the keyword also by `=`; quoted as a whole; none from a `#` on. */
function wordsOf(line: string): string[] {
  const parted = line.replace(/^(\s*[A-Za-z]+)\s*=\s*/, '$1 ');
  const words = [...parted.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => ({
    word: match[1] ?? match[2] ?? '',
    isComment: match[2]?.startsWith('#') === true,
  }));
  const end = words.findIndex(({ isComment }) => isComment);
  return (end < 0 ? words : words.slice(0, end)).map(({ word }) => word);
}

/** The names of a `Host` line, those that are patterns with that as their flaw. */
export function namedHosts(patterns: readonly string[]): NamedHost[] {
  return patterns.map((name) => {
    if (name.startsWith('!')) return { name, flaw: 'says what is not meant' };
    if (/[*?]/.test(name)) return { name, flaw: 'a pattern, no machine' };
    return { name, flaw: hostFlaw(name) ?? null };
  });
}

/** Whether a `Host` line is about this name, as ssh decides it: one pattern matches, and no negated one does. */
export function isAbout(patterns: readonly string[], name: string): boolean {
  const matches = (pattern: string) => globOf(pattern).test(name);
  const refused = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1));
  return !refused.some(matches) && patterns.some((pattern) => !pattern.startsWith('!') && matches(pattern));
}

function globOf(pattern: string): RegExp {
  const text = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${text}$`, 'is');
}

/** Where a host leads, as `ssh -G` tells it. */
export interface Whither {
  hostName: string;
  port: number;
  user: string;
  /** What is in between: ProxyJump or ProxyCommand; empty where nothing is. */
  through: string;
}

const GIT_HOSTS =
  /(^|\.)(github\.com|gitlab\.com|bitbucket\.org|dev\.azure\.com|visualstudio\.com|codeberg\.org|sr\.ht|gitee\.com|huggingface\.co|hf\.co)$/i;
const GIT_COMMIT = /^git-codecommit\..*amazonaws\.com(\.cn)?$/i;

/** Why nobody could run agents there, told from where it leads; null where somebody could. */
export function gitReason({ hostName, user }: Whither): string | null {
  if (GIT_HOSTS.test(hostName) || GIT_COMMIT.test(hostName)) return `a git host (${hostName})`;
  return user === 'git' ? 'a git host (User git)' : null;
}

/** The same for two names of one machine. Private addresses behind different hosts are different machines. */
export function machineKey({ hostName, port, through }: Whither): string {
  return `${hostName.toLowerCase()} ${port} ${through}`;
}
