import type { ensureSystemPrograms, ensureTool } from '../rehearsal/machine.ts';
import type { startRehearsalModel } from '../rehearsal/model.ts';

/** What the rehearse subcommand needs of the rehearsal room; handed in by main.ts. */
export interface Rehearsal {
  startRehearsalModel: typeof startRehearsalModel;
  ensureTool: typeof ensureTool;
  ensureSystemPrograms: typeof ensureSystemPrograms;
  cacheFolder: string;
}
