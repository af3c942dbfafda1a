import type { Launch } from './tool.ts';

/**
 * The words, begun after the folders named by these variables exist: a tool refuses a home that is not there, and an
 * agent may have removed its own.
 */
export function withFolders(variables: readonly string[], words: readonly string[]): Launch['words'] {
  const folders = variables.map((name) => `"$${name}"`).join(' ');
  return ['sh', '-c', `mkdir -p ${folders} && exec "$@"`, 'sh', ...words];
}

const COLLECT_BYTES_MAX = 400_000;
/** Of each agent, by when they were last written into: one of those is gone on with, if any is. */
const CONVERSATIONS_KEPT = 20;

/**
 * Shell lines that run an awk program over the lines that match `pattern` (extended) in the `.jsonl` files below
 * `folder` (a quoted word) written since the attempt began. Output is bounded; the newest is kept. Each such file is a
 * conversation: after some attempts, by their ids, those past the newest are removed, and `tidy` is run.
 */
export function collectLine(folder: string, pattern: string, program: string, tidy = ':'): string {
  const usage = [
    `find ${folder} -type f -name '*.jsonl' -newer "$FLEET_SINCE" -exec grep -ahE '${pattern}' {} + 2>/dev/null`,
    `LC_ALL=C awk '${program}'`,
    `tail -c ${COLLECT_BYTES_MAX}`,
  ].join(' | ');
  const old = [
    `find ${folder} -type f -name '*.jsonl' -exec ls -1t {} + 2>/dev/null`,
    `tail -n +${CONVERSATIONS_KEPT + 1}`,
    `while IFS= read -r file; do case $file in ${folder}/*.jsonl) rm -f -- "$file" ;; esac; done`,
  ].join(' | ');
  return `${usage}\ncase $FLEET_SINCE in *[08].collect) ${old}; ${tidy} ;; esac`;
}

/** awk functions: the text, or the number, that follows the first `"key":` of a line; empty, or 0, for none. */
export const AWK_FIELDS = [
  'function word(line, key) {',
  '  if (!match(line, "\\"" key "\\":\\"[^\\"\\\\\\\\]*\\"")) return "";',
  '  return substr(line, RSTART + length(key) + 4, RLENGTH - length(key) - 5)',
  '}',
  'function count(line, key) {',
  '  if (!match(line, "\\"" key "\\":[0-9]+")) return 0;',
  '  return substr(line, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0',
  '}',
  'function tell(response, model, input, cached, output) {',
  '  printf "{\\"response\\":\\"%s\\",\\"model\\":\\"%s\\",\\"input\\":%d,\\"cached\\":%d,\\"output\\":%d}\\n", response, model, input, cached, output',
  '}',
].join('\n');
