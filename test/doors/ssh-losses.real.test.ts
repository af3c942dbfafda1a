import { describeWith } from '../support/capability.ts';
import { aRigForAll, endsEveryTask, LOSSES } from './faults.ts';

describeWith(['rig', 'tmux'], 'a fleet over SSH whose machine goes away or loses its journal', () => {
  endsEveryTask(LOSSES, aRigForAll());
});
