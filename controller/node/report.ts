/** One line of a node's report. Together they say how the machine is and what each attempt does. */
export type ReportLine =
  | { is: 'machine'; uptimeSeconds: number; load: number; availableKiB: number }
  | { is: 'attempt'; attempt: string; agent: number; bytes: number; silentSeconds: number }
  /** null: there is no tmux on the node now. */
  | { is: 'sessions'; names: readonly string[] | null };

export function parseReportLine(line: string): ReportLine | undefined {
  const words = line.split(' ').filter((word) => word !== '');
  const number = (index: number) => Number(words[index]);
  if (words[0] === 'tmux' && words[1] === 'absent') return { is: 'sessions', names: null };
  if (words[0] === 'sessions') return { is: 'sessions', names: words.slice(1) };
  if (words[0] === 'node' && words.length === 4) {
    const report = { is: 'machine' as const, uptimeSeconds: number(1), load: number(2), availableKiB: number(3) };
    return [report.uptimeSeconds, report.load, report.availableKiB].every(Number.isFinite) ? report : undefined;
  }
  if (words[0] === 'attempt' && words.length === 5) {
    const report = {
      is: 'attempt' as const,
      attempt: words[1] ?? '',
      agent: number(2),
      bytes: number(3),
      silentSeconds: number(4),
    };
    return [report.agent, report.bytes, report.silentSeconds].every(Number.isFinite) ? report : undefined;
  }
  return undefined;
}
