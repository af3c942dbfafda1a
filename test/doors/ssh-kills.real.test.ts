import { describeWith } from '../support/capability.ts';
import { aRigForAll, endsEveryTask, KILLS } from './faults.ts';

describeWith(['rig', 'tmux'], 'a fleet over SSH of which something is killed', () => {
  endsEveryTask(KILLS, aRigForAll());
});
